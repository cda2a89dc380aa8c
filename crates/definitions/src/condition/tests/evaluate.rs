use super::*;

fn holds(source: &str) -> Result<bool, EvaluationError> {
    let environment = environment();
    let condition =
        Condition::compile(source, &environment).unwrap_or_else(|error| panic!("{source}: {error}"));
    condition.evaluate(&values(&environment))
}

#[test]
fn conditions_of_definitions_hold() {
    for source in [
        "true",
        "order.revenue_minor > 0",
        "order.revenue_minor >= 12500 && order.revenue_minor <= 12500",
        "order.external_status == \"closedwon\"",
        "!(\"first-purchase\" in run.stages)",
        "\"lead\" in run.stages",
        "size(run.stages) > 1",
        "run.stages.size() == 2",
        "order.external_status.startsWith(\"closed\")",
        "order.external_status.endsWith(\"won\") && order.external_status.contains(\"sed\")",
        "order.currency in [\"EUR\", \"USD\"]",
        "order.currency != \"USD\" ? order.revenue_minor > 100 : false",
        "run.stages[0] == \"lead\"",
        "run.stages == [\"lead\", \"qualified\"] && run.stages != []",
        "run.stages.exists(s, s.startsWith(\"qual\"))",
        "run.stages.all(s, size(s) > 3)",
        "run.stages.exists_one(s, s == \"lead\")",
        "size(run.stages.filter(s, s != \"lead\")) == 1",
        "run.stages.map(s, size(s)) == [4, 9]",
        "contact.tags + [\"new\"] == [\"vip\", \"beta\", \"new\"]",
        "order.revenue_minor / 100 * 100 % 7 - 1 == 4",
        "-order.revenue_minor < 0",
        "order.order_id + \"-\" + string(order.revenue_minor) == \"o-1-12500\"",
        "int(\"42\") == 42",
        "event.type == 'order_recorded' // a comment",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn moments_and_durations_are_compared() {
    for source in [
        "order.occurred_at > timestamp(\"2026-01-31T00:00:00Z\")",
        "order.occurred_at == timestamp(\"2026-03-01T15:30:00+01:00\")",
        "order.occurred_at - timestamp(\"2026-03-01T00:00:00Z\") < duration(\"15h\")",
        "order.occurred_at + duration(\"24h\") > timestamp(\"2026-03-02T00:00:00Z\")",
        "duration(\"1h\") + order.occurred_at - duration(\"3600s\") == order.occurred_at",
        "duration(\"1h\") + duration(\"1h\") - duration(\"30m\") == duration(\"90m\")",
        "order.occurred_at.getFullYear() == 2026 && order.occurred_at.getMonth() == 2",
        "order.occurred_at.getDate() == 1 && order.occurred_at.getDayOfWeek() == 0",
        "order.occurred_at.getHours() == 14 && order.occurred_at.getMinutes() == 30",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn maps_are_read_by_name() {
    for source in [
        "order.properties.region == \"north\"",
        "order.properties[\"region\"] == \"north\"",
        "has(order.properties.region) && !has(order.properties.city)",
        "\"region\" in order.properties && size(order.properties) == 1",
        "order.properties.all(name, name == \"region\")",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
    assert_eq!(holds("order.properties.city == \"x\""), Err(EvaluationError::MissingName));
    assert_eq!(holds("order.properties[\"city\"] == \"x\""), Err(EvaluationError::MissingName));
}

#[test]
fn a_nullable_field_that_is_not_set_is_null() {
    for source in [
        "order.campaign_id == null",
        "!has(order.campaign_id)",
        "order.campaign_id != \"c\"",
        "has(order.order_id)",
        "has(order.discount_minor) && order.discount_minor > 0 || true",
        "order.discount_minor == null || order.discount_minor > 0",
        "(has(order.discount_minor) ? order.discount_minor : 0) == 0",
        "!(order.tested == true)",
        "!(order.campaign_id in run.stages)",
        "[order.campaign_id] == [order.campaign_id]",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn a_nullable_field_that_is_set_is_its_value() {
    let environment = environment();
    let mut values = values(&environment);
    values.set("order.campaign_id", Some("spring")).set("order.discount_minor", None::<i64>);
    for (source, expected) in [
        ("has(order.campaign_id) && order.campaign_id.startsWith(\"spr\")", true),
        ("order.campaign_id == null", false),
        ("has(order.discount_minor)", false),
    ] {
        let condition = Condition::compile(source, &environment).unwrap();
        assert_eq!(condition.evaluate(&values), Ok(expected), "{source}");
    }
}

#[test]
fn null_where_a_value_is_needed_is_an_error() {
    for source in [
        "order.discount_minor > 0",
        "0 < order.discount_minor",
        "order.discount_minor + 1 > 0",
        "1 - order.discount_minor > 0",
        "-order.discount_minor > 0",
        "order.campaign_id.startsWith(\"a\")",
        "\"a\".startsWith(order.campaign_id)",
        "size(order.campaign_id) > 0",
        "order.campaign_id in order.properties",
        "order.properties[order.campaign_id] == \"a\"",
        "run.stages[order.discount_minor] == \"a\"",
        "order.tested",
        "!order.tested",
        "order.tested && true",
        "order.tested || false",
        "order.tested ? true : false",
        "run.stages.all(s, order.tested)",
    ] {
        assert_eq!(holds(source), Err(EvaluationError::Null), "{source}");
    }
}

#[test]
fn a_nullable_record_is_null_until_one_of_its_fields_is_set() {
    let environment = environment();
    let is_null = Condition::compile("refund == null", &environment).unwrap();
    let guarded = Condition::compile("refund != null && refund.amount_minor > 100", &environment).unwrap();
    let noted = Condition::compile("has(refund.note)", &environment).unwrap();
    let deep = Condition::compile("order.customer != null && order.customer.tier == \"gold\"", &environment)
        .unwrap();

    let mut values = values(&environment);
    assert_eq!(is_null.evaluate(&values), Ok(true));
    assert_eq!(guarded.evaluate(&values), Ok(false));
    assert_eq!(noted.evaluate(&values), Ok(false));
    assert_eq!(deep.evaluate(&values), Ok(false));

    values.set("refund.amount_minor", 250).set("order.customer.tier", "gold");
    assert_eq!(is_null.evaluate(&values), Ok(false));
    assert_eq!(guarded.evaluate(&values), Ok(true));
    assert_eq!(noted.evaluate(&values), Ok(false));
    assert_eq!(deep.evaluate(&values), Ok(true));
}

#[test]
fn a_field_of_a_null_record_is_an_error() {
    let path = || "refund.amount_minor".to_owned();
    for source in ["refund.amount_minor > 0", "refund.amount_minor == 0", "refund.amount_minor != 5"] {
        assert_eq!(holds(source), Err(EvaluationError::NullRecord { path: path() }), "{source}");
    }
    assert_eq!(holds("refund.note == null"), Ok(true));
}

#[test]
fn a_record_that_is_there_must_be_complete() {
    let environment = environment();
    let condition = Condition::compile("refund != null && refund.amount_minor > 0", &environment).unwrap();
    let mut values = values(&environment);
    values.set_present("refund");
    let unset = EvaluationError::Unset { path: "refund.amount_minor".to_owned() };
    assert_eq!(condition.evaluate(&values), Err(unset));
}

#[test]
fn a_field_that_is_not_set_is_an_error_also_in_a_skipped_branch() {
    let environment = environment();
    let condition = Condition::compile("true || order.revenue_minor > 0", &environment).unwrap();
    let unset = EvaluationError::Unset { path: "order.revenue_minor".to_owned() };
    assert_eq!(condition.evaluate(&environment.values()), Err(unset));
}

#[test]
fn arithmetic_that_cannot_be_done_is_an_error() {
    for (source, error) in [
        ("order.revenue_minor / (size(run.stages) - 2) > 0", EvaluationError::DivisionByZero),
        ("order.revenue_minor % 0 == 0", EvaluationError::DivisionByZero),
        ("order.revenue_minor + 9223372036854775807 > 0", EvaluationError::Overflow),
        ("order.revenue_minor * 9223372036854775807 > 0", EvaluationError::Overflow),
        ("-9223372036854775808 - order.revenue_minor < 0", EvaluationError::Overflow),
        ("-9223372036854775808 / -1 > 0", EvaluationError::Overflow),
        ("-9223372036854775808 % -1 == 0", EvaluationError::Overflow),
        ("-(-9223372036854775808) > 0", EvaluationError::Overflow),
        ("run.stages[2] == \"a\"", EvaluationError::IndexOutOfRange),
        ("run.stages[-1] == \"a\"", EvaluationError::IndexOutOfRange),
        (
            "timestamp(\"9999-12-31T00:00:00Z\") + duration(\"48h\") > order.occurred_at",
            EvaluationError::Overflow,
        ),
        ("int(order.currency) == 1", EvaluationError::Conversion { function: "int".to_owned() }),
    ] {
        assert_eq!(holds(source), Err(error), "{source}");
    }
}

#[test]
fn an_error_beside_a_decided_side_does_not_matter() {
    assert_eq!(holds("order.revenue_minor % 0 == 0 || true"), Ok(true));
    assert_eq!(holds("order.revenue_minor % 0 == 0 && false"), Ok(false));
}

#[test]
fn a_mistaken_binding_fails_every_evaluation() {
    let environment = environment();
    let condition = Condition::compile("true", &environment).unwrap();
    let set = |path: &str, value: Value<'static>| {
        let mut values = environment.values();
        values.set(path, value);
        condition.evaluate(&values).unwrap_err().to_string()
    };
    assert_eq!(set("order.revenu", 1.into()), "`order.revenu` was not set: there is no such field");
    assert_eq!(
        set("order.revenue_minor", "1".into()),
        "`order.revenue_minor` was not set: it has another type"
    );
    assert_eq!(set("order.currency", Value::Null), "`order.currency` was not set: it cannot be null");
    assert_eq!(set("refund", 1.into()), "`refund` was not set: it is a record: set its fields");
    let year_zero = datetime!(0000-06-01 0:00 UTC).into();
    assert!(set("order.occurred_at", year_zero).ends_with("outside of the years 1 to 9999"));
    let mut values = environment.values();
    values.set_present("order.currency");
    assert!(condition.evaluate(&values).unwrap_err().to_string().ends_with("there is no such record"));
}

#[test]
fn values_of_another_environment_are_refused() {
    let other = environment();
    let condition = compiled("true");
    assert_eq!(condition.evaluate(&values(&other)), Err(EvaluationError::OtherEnvironment));
}

#[test]
fn values_are_reused_and_replaced() {
    let environment = environment();
    let condition = Condition::compile("order.revenue_minor > 100", &environment).unwrap();
    let mut values = values(&environment);
    assert_eq!(condition.evaluate(&values), Ok(true));
    values.set("order.revenue_minor", 50);
    assert_eq!(condition.evaluate(&values), Ok(false));
}

#[test]
fn texts_are_borrowed() {
    let (status, stages) = ("closedwon".to_owned(), vec!["lead".to_owned()]);
    let environment = environment();
    let mut values = environment.values();
    values.set("order.external_status", &status).set("run.stages", &stages);
    let source = "order.external_status == \"closedwon\" && \"lead\" in run.stages";
    assert_eq!(Condition::compile(source, &environment).unwrap().evaluate(&values), Ok(true));
}
