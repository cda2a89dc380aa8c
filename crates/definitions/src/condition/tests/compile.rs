use proptest::prelude::*;

use super::*;

fn refused(source: &str) -> String {
    match Condition::compile(source, &environment()) {
        Ok(_) => panic!("{source} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_unknown_variable_is_refused() {
    assert_eq!(
        refused("ordr.revenue_minor > 0"),
        "column 1: unknown variable `ordr`, expected one of `order`, `contact`, `run`, `event`, `refund`"
    );
    for source in
        ["true || nothing", "false && nothing.a", "true ? true : nothing", ".order == null", "string == 1"]
    {
        assert!(refused(source).contains("unknown variable"), "{source}: {}", refused(source));
    }
}

#[test]
fn an_unknown_field_is_refused_also_where_evaluation_would_skip_it() {
    let text = refused("true || event.kind == \"x\"");
    assert_eq!(text, "column 14: `event` has no field `kind`, expected one of `type`");
    for source in [
        "false && order.revenue > 0",
        "true ? true : order.revenue > 0",
        "has(order.revenue)",
        "order.customer.name == \"x\"",
        "run.stages.exists(s, s == order.revenue)",
    ] {
        assert!(refused(source).contains("has no field"), "{source}: {}", refused(source));
    }
}

#[test]
fn wrong_types_are_refused() {
    assert_eq!(refused("order.revenue_minor > \"0\""), "column 21: `>` does not take int and string");
    for source in [
        "order.revenue_minor == \"0\"",
        "order.currency > 5",
        "order.currency && true",
        "!order.revenue_minor > 0",
        "!order.currency",
        "-order.currency == 5",
        "order.revenue_minor + order.currency == \"x\"",
        "order.revenue_minor in run.stages",
        "\"x\" in order.currency",
        "size(order.revenue_minor) > 0",
        "size(run.stages, run.stages) > 0",
        "order.external_status.startsWith(5)",
        "startsWith(order.external_status, \"a\")",
        "run.stages.startsWith(\"a\")",
        "order.occurred_at > \"2026-01-01\"",
        "order.occurred_at + order.occurred_at > order.occurred_at",
        "run.stages[\"a\"] == \"b\"",
        "[1, \"a\"] == [1]",
        "run.stages == [1]",
        "order.revenue_minor.all(x, true)",
        "run.stages.all(s, s)",
        "run.stages.exists(s, s > 1)",
        "order.currency ? true : false",
        "true ? 1 : \"a\"",
        "contact.flagged < true",
        "order.order_id == null",
        "run.stages == null",
        "1 == null",
    ] {
        assert!(refused(source).contains("does not take"), "{source}: {}", refused(source));
    }
}

#[test]
fn misspelt_functions_are_refused() {
    for source in [
        "order.external_status.startWith(\"a\")",
        "haz(order.campaign_id)",
        "run.stages.exist(s, s == \"a\")",
        "length(run.stages) > 1",
        "order.currency.matches(\"E.*\")",
        "run.stages.all(s)",
        "has(order.campaign_id, order.order_id)",
        "_foo_(1)",
        "dyn(order.currency) == 5",
        "type(order.currency) == string",
    ] {
        assert!(refused(source).contains("unknown "), "{source}: {}", refused(source));
    }
    let text = refused("order.external_status.startWith(\"a\")");
    assert!(
        text.contains("unknown function `startWith`, expected one of `has`, `size`, `startsWith`"),
        "{text}"
    );
}

#[test]
fn a_condition_must_be_true_or_false() {
    assert!(refused("order.revenue_minor").ends_with("must be true or false, this one is of type int"));
    assert!(refused("run.stages.filter(s, s == \"a\")").contains("list(string)"));
    assert!(refused("null").contains("of type null"));
    assert!(refused("true ? \"a\" : \"b\"").contains("of type string"));
}

#[test]
fn a_whole_record_is_no_value() {
    assert_eq!(refused("order"), "column 1: `order` is a record: name one of its fields");
    for source in ["[order] == [order]", "size(order) > 0", "order in run.stages", "true ? order : order"] {
        assert!(refused(source).contains("is a record"), "{source}: {}", refused(source));
    }
    for source in ["order == order", "order == null", "refund == order"] {
        assert!(refused(source).contains("`==` does not take record"), "{source}: {}", refused(source));
    }
}

#[test]
fn a_field_of_a_plain_value_is_refused() {
    assert!(refused("order.currency.length > 3").ends_with("a value of type string has no fields"));
    assert!(refused("has(order.currency.length)").ends_with("a value of type string has no fields"));
    assert!(refused("null.a").contains("has no fields"));
}

#[test]
fn what_conditions_leave_out_of_cel_is_refused() {
    for source in [
        "order.revenue_minor > 1.5",
        "order.revenue_minor > 1u",
        "b\"a\" == b\"a\"",
        "{\"a\": 1}.a == 1",
        "order.?currency == \"a\"",
        "Order{a: 1} == null",
    ] {
        let text = refused(source);
        assert!(text.contains("cannot be used") || text.contains("unsupported"), "{source}: {text}");
    }
}

#[test]
fn one_comprehension_is_enough() {
    let nested = "run.stages.exists(s, contact.tags.exists(t, t == s))";
    let twice = "run.stages.exists(s, s == \"a\") && contact.tags.exists(t, t == \"b\")";
    let chained = "run.stages.filter(s, s != \"a\").exists(s, s == \"b\")";
    for source in [nested, twice, chained] {
        assert!(refused(source).contains("at most one of"), "{source}: {}", refused(source));
    }
}

#[test]
fn the_variable_of_a_comprehension_hides_nothing_and_ends_with_it() {
    assert!(
        refused("run.stages.all(order, order == \"a\")")
            .ends_with("`order` is already the name of a variable")
    );
    assert!(refused("run.stages.all(s, s == \"a\") && s == \"a\"").contains("unknown variable `s`"));
}

#[test]
fn constants_are_read_when_compiled() {
    for (source, function) in [
        ("order.occurred_at > timestamp(\"yesterday\")", "timestamp"),
        ("order.occurred_at > timestamp(order.currency)", "timestamp"),
        ("order.occurred_at - order.occurred_at < duration(\"30d\")", "duration"),
    ] {
        assert!(
            refused(source).contains(&format!("`{function}` takes a constant such as")),
            "{}",
            refused(source)
        );
    }
}

#[test]
fn syntax_errors_have_their_place() {
    assert!(
        refused("order.revenue_minor >").starts_with("column 22: "),
        "{}",
        refused("order.revenue_minor >")
    );
    let text = refused("true &&\n  (order.revenue_minor > 0");
    assert!(text.starts_with("line 2, column "), "{text}");
    for source in ["", " ", "&&", "'", "a b", "@x", "#3 == 1", "?3", "has(1)", "\u{0}"] {
        refused(source);
    }
}

#[test]
fn the_place_of_an_error_counts_characters_and_lines() {
    let text = refused("order.currency == \"äöü€😀\" && ordr.a == 1");
    assert!(text.starts_with("column 30: unknown variable `ordr`"), "{text}");
    let text = refused("order.currency == \"€\"\n  && ordr.a == 1");
    assert!(text.starts_with("line 2, column 6: unknown variable `ordr`"), "{text}");
    let text = refused("order.currency == \"äöü€😀\" && )");
    assert!(text.starts_with("column 30: "), "{text}");
}

#[test]
fn the_length_is_limited() {
    let source = |n: usize| format!("order.currency == \"{}\"", "x".repeat(n - 20));
    assert_eq!(source(1000).len(), 1000);
    compiled(&source(1000));
    assert_eq!(refused(&source(1001)), "column 1: a condition has at most 1000 bytes, this one has 1001");
}

#[test]
fn the_depth_is_limited_and_its_stack_with_it() {
    let deep = [
        format!("{}true{}", "(".repeat(400), ")".repeat(400)),
        format!("{}1{} == []", "[".repeat(400), "]".repeat(400)),
        format!("1{} > 0", "+1".repeat(490)),
        format!("order{}", ".a".repeat(490)),
        format!("run.stages{} == \"a\"", "[0]".repeat(300)),
        format!("true{}", "?true:true".repeat(99)),
        format!("{}true", "!(".repeat(490)),
        "[".repeat(1000),
        "{1:".repeat(330),
        "f(".repeat(500),
    ];
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let run = move || deep.iter().map(|source| refused(source)).collect::<Vec<_>>();
    let texts = small.spawn(run).unwrap().join().unwrap();
    assert!(texts[0].contains("nested too deeply") && texts[2].contains("nested too deeply"), "{texts:#?}");
}

#[test]
fn long_chains_are_not_deep() {
    compiled(&vec!["contact.flagged"; 52].join(" && "));
    compiled(&vec!["contact.flagged"; 52].join(" || "));
    compiled(&format!("order.currency in [{}]", vec!["\"EUR\""; 130].join(", ")));
}

#[test]
fn a_condition_shows_its_source_and_is_shared() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let condition = compiled("order.revenue_minor > 0");
    shared(&condition);
    assert_eq!(condition.clone().source(), "order.revenue_minor > 0");
    assert_eq!(format!("{condition:?}"), "Condition(\"order.revenue_minor > 0\")");
}

/// Compiles, and evaluates what compiles: no panic, and nothing the type check should have refused.
fn try_out(source: &str) -> Result<(), TestCaseError> {
    let environment = environment();
    if let Ok(condition) = Condition::compile(source, &environment) {
        for values in [values(&environment), environment.values()] {
            prop_assert_ne!(condition.evaluate(&values), Err(EvaluationError::Other), "{}", source);
        }
    }
    Ok(())
}

/// Expressions that are sometimes well typed.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "0",
        "-1",
        "9223372036854775807",
        "\"a\"",
        "\"7\"",
        "true",
        "false",
        "null",
        "[]",
        "[1, 2]",
        "[\"lead\"]",
        "order.currency",
        "order.revenue_minor",
        "order.occurred_at",
        "order.properties",
        "order.campaign_id",
        "order.discount_minor",
        "order.tested",
        "order.customer",
        "order.customer.tier",
        "order.customer.seats",
        "contact.flagged",
        "run.stages",
        "refund",
        "refund.amount_minor",
        "refund.note",
        "has(order.campaign_id)",
        "has(refund.note)",
        "order.properties.region",
        "has(order.properties.x)",
        "x",
        "timestamp(\"2026-01-31T00:00:00Z\")",
        "duration(\"36h\")",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let binary = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "/", "%", "in",
        ]);
        let call = prop::sample::select(vec!["size", "!", "-", "int", "string"]);
        let method = prop::sample::select(vec!["startsWith", "contains", "size", "getHours"]);
        let makro = prop::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]);
        prop_oneof![
            4 => (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (call, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            1 => (inner.clone(), method, prop::option::of(inner.clone()))
                .prop_map(|(a, f, b)| format!("{a}.{f}({})", b.unwrap_or_default())),
            1 => (inner.clone(), makro, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}(x, {b})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text_never_panics(source in any::<String>()) {
        try_out(&source)?;
    }

    #[test]
    fn tokens_in_any_order_never_panic(
        source in "(order|\\.|currency|\\(|\\)|\\[|\\]|\\{|\\}|\"|'|==|&&|\\?|:|!|-|[0-9a-fuxe]|,| |has\\(|\\\\|\n|@|`|in|null|r\"|b'|\"\"\"){0,40}"
    ) {
        try_out(&source)?;
    }

    #[test]
    fn what_compiles_evaluates_without_a_type_error(source in expression(), other in expression()) {
        try_out(&source)?;
        try_out(&format!("{source} == {other}"))?;
        try_out(&format!("{source} < {other}"))?;
    }
}
