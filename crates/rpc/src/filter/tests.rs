use pg::sqlx::{Execute, QueryBuilder};
use proptest::prelude::*;
use proto::attribution::ContactStatus;

use super::ast::{Comparator, Expr, Restriction, Value};
use super::{Family, Field, Filter, Kind, parser};

const FIELDS: &[Field] = &[
    Field { name: "name", kind: Kind::Text, sql: "t.name" },
    Field { name: "code", kind: Kind::Form { what: "a code", read: upper }, sql: "t.code" },
    Field { name: "contact_id", kind: Kind::Id, sql: "t.contact" },
    Field { name: "status", kind: Kind::Enum(status), sql: "t.status" },
    Field { name: "state", kind: Kind::Names(status), sql: "t.state" },
    Field { name: "revenue", kind: Kind::Money { currency: "t.currency" }, sql: "t.minor" },
    Field { name: "attempts", kind: Kind::Integer, sql: "t.attempts" },
    Field { name: "ended", kind: Kind::Boolean, sql: "t.ended" },
    Field { name: "at.first", kind: Kind::Timestamp, sql: "t.at" },
    Field { name: "made_at", kind: Kind::Recorded { id: "t.id" }, sql: "t.made_at" },
    Field { name: "tags", kind: Kind::Texts, sql: "t.tags" },
    Field { name: "groups", kind: Kind::Linked { find: "SELECT FROM g WHERE g.name = " }, sql: "t.groups" },
];

fn upper(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_uppercase())
}

fn status(number: i32) -> Option<&'static str> {
    ContactStatus::try_from(number).ok().map(|status| status.as_str_name())
}

/// The condition a filter becomes.
fn sql(filter: &str) -> String {
    let mut query = QueryBuilder::new("");
    Filter::read(FIELDS, filter).unwrap().narrow(&mut query);
    query.build().sql().as_str().to_owned()
}

fn parsed(text: &str) -> String {
    parser::parse(text).unwrap().map_or_else(String::new, |expr| expr.to_string())
}

/// Where a filter is wrong, and what was expected there.
fn wrong(filter: &str) -> (usize, String) {
    let mistake = super::read(FIELDS, &Family::default(), filter).unwrap_err();
    (mistake.at, mistake.what)
}

#[test]
fn or_binds_tighter_than_and_and_what_stands_side_by_side_is_and() {
    assert_eq!(parsed("a=1 AND b=2 OR c=3"), "a = 1 AND b = 2 OR c = 3");
    assert_eq!(parsed("(a=1 AND b=2) OR c=3"), "(a = 1 AND b = 2) OR c = 3");
    assert_eq!(parsed("a=1 b=2 OR c=3 AND d=4"), "a = 1 AND b = 2 OR c = 3 AND d = 4");
    assert_eq!(
        sql("attempts=1 ended=true OR name=x"),
        " AND ((t.attempts = $1) AND ((t.ended = $2) OR (t.name = $3)))"
    );
    assert_eq!(parsed("((a=1))"), "a = 1");
}

#[test]
fn what_is_in_rows_of_its_own_is_asked_of_them() {
    assert_eq!(sql("groups:x"), " AND (EXISTS (SELECT FROM g WHERE g.name = $1))");
    assert_eq!(sql("groups:*"), " AND (t.groups <> '{}')");
    assert_eq!(wrong("groups = x"), (8, "expected one of `:` `:*`".to_owned()));
}

#[test]
fn not_and_minus_are_the_same() {
    assert_eq!(parsed("NOT a=1 -b=2 -(c=3 d=4)"), "NOT a = 1 AND NOT b = 2 AND NOT (c = 3 AND d = 4)");
    assert_eq!(sql("-ended=true"), " AND ((t.ended = $1) IS NOT TRUE)");
}

#[test]
fn words_after_a_comparator_need_no_quotes_for_times_numbers_and_ids() {
    assert_eq!(
        parsed("a>=2025-01-31T12:00:00.5+01:00 b<-1.5"),
        "a >= 2025-01-31T12:00:00.5+01:00 AND b < -1.5"
    );
    assert_eq!(parsed(r"a.b.'c d':*"), r#"a.b."c d" : *"#);
}

#[test]
fn quotes_escapes_and_keywords_are_texts_within_quotes() {
    let filter = parser::parse(r#"a = "say \"AND\" \\ '\n" b = 'it\'s'"#).unwrap();
    let Some(Expr::And(parts)) = filter else { panic!("{filter:?}") };
    let texts: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Expr::Is(restriction) => restriction.value.text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["say \"AND\" \\ '\n", "it's"]);
}

#[test]
fn nothing_of_the_caller_gets_into_the_statement() {
    let filter = r#"name = "x' OR 1=1; --" AND code != "$1" AND tags:"}'" AND revenue > 12.34 AND revenue:*"#;
    let sql = sql(filter);
    let start = "t.name = $1) AND (t.code IS DISTINCT FROM $2) AND ($3 = ANY (t.tags)) AND (t.minor > $4::numeric * CASE";
    assert!(sql.contains(start), "{sql}");
    assert!(sql.contains("WHEN 'JPY' THEN 1 ") && sql.contains("WHEN 'KWD' THEN 1000 "), "{sql}");
    assert!(sql.ends_with("ELSE 100 END AND t.minor > 0) AND (t.minor IS NOT NULL))"), "{sql}");
    assert!(!sql.contains("--") && !sql.contains("12.34"), "{sql}");
}

#[test]
fn a_blank_filter_lets_all_pass() {
    assert_eq!((sql(""), sql(" \t\n")), (String::new(), String::new()));
}

#[test]
fn values_of_every_kind_are_taken() {
    for filter in [
        "name=AND_more",
        "name:*",
        "code='x'",
        "status=ENROLLED",
        "status!=CONTACT_STATUS_BANNED",
        "state=BANNED",
        "contact_id=00000000-0000-7000-8000-000000000001",
        "revenue=-0.001",
        "revenue>=12",
        "attempts<=-3",
        "ended!=false",
        "at.first<'2025-01-31T12:00:00Z'",
        "at.first>=9999-12-31T23:59:59.999999Z",
        "tags:'*'",
        "tags:*",
        "contact_id:*",
    ] {
        assert!(
            super::read(FIELDS, &Family::default(), filter).is_ok(),
            "{filter}: {:?}",
            super::read(FIELDS, &Family::default(), filter)
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_the_character_and_what_was_expected() {
    for (filter, at, expected) in [
        ("word", 1, "a field, a comparator and a value"),
        ("name = a \"two words\"", 10, "a field, a comparator and a value"),
        ("f(x)", 1, "a field, a comparator and a value"),
        ("name", 1, "a field, a comparator and a value"),
        ("name =", 7, "a value"),
        ("name = AND ended=true", 8, "a value; in quotes"),
        ("name = (a OR b)", 8, "a value"),
        ("name = = x", 8, "a value"),
        ("name = a,b", 9, "the name of a field"),
        ("é = 1", 1, "one of name, code"),
        ("'é' name", 1, "a field, a comparator"),
        ("name = é AND (", 15, "a field or `(`"),
        ("(name = a", 1, "a `)`"),
        ("name = a)", 9, "no `)`"),
        ("()", 2, "a field or `(`"),
        ("AND name = a", 1, "a field or `(`"),
        ("name = a OR", 12, "a field or `(`"),
        ("NOT NOT name = a", 5, "a field or `(`"),
        ("name ! a", 6, "`!=`"),
        ("name = 'a", 8, "a closing quote"),
        (r#"name = "\x""#, 9, "an escape"),
        ("name. = a", 6, "the name of a field"),
        ("name.first = a", 1, "one of name, code"),
        ("name = a\0", 9, "no NUL"),
        ("name < a", 6, "one of `=` `!=` `:*`"),
        ("name:a", 5, "one of `=` `!=` `:*`"),
        ("tags = a", 6, "one of `:` `:*`"),
        ("code = ''", 8, "a code"),
        ("contact_id = x", 14, "a UUID"),
        ("status = NONE", 10, "one of PROSPECT, ENROLLED"),
        ("status = enrolled", 10, "one of PROSPECT"),
        ("status = UNSPECIFIED", 10, "one of PROSPECT"),
        ("revenue = 1e3", 11, "an amount such as 12.34"),
        ("revenue = '1'", 11, "an amount such as 12.34"),
        ("revenue = .5", 11, "an amount such as 12.34"),
        ("attempts = 9223372036854775808", 12, "a whole number"),
        ("ended = TRUE", 9, "true or false"),
        ("at.first > 2025-01-31", 12, "a time with its offset"),
        ("at.first > 9999-12-31T23:59:59-01:00", 12, "a time with its offset"),
        ("at.first > 0001-01-01T00:00:00+01:00", 12, "a time with its offset"),
    ] {
        let (where_, what) = wrong(filter);
        assert_eq!(where_, at, "{filter}: {what}");
        assert!(what.starts_with(&format!("expected {expected}")), "{filter}: {what}");
    }
    let error = Filter::read(FIELDS, "name < a").unwrap_err();
    assert_eq!(error.first_field(), "filter");
    assert_eq!(error.message(), "filter at character 6: expected one of `=` `!=` `:*`");
}

#[test]
fn length_depth_and_number_of_comparisons_are_bounded() {
    let nested = |depth: usize| format!("{}name=a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(super::read(FIELDS, &Family::default(), &nested(32)).is_ok());
    assert_eq!(wrong(&nested(33)).0, 33);
    assert!(super::read(FIELDS, &Family::default(), &"name=a ".repeat(64)).is_ok());
    assert_eq!(wrong(&"name=a ".repeat(65)).0, 64 * 7 + 1);
    assert!(super::read(FIELDS, &Family::default(), &format!("name={}", "a".repeat(1995))).is_ok());
    assert_eq!(wrong(&format!("name={}", "a".repeat(1996))), (1, "expected at most 2000 bytes".to_owned()));
}

/// Without the places, which another text has elsewhere.
fn placeless(expr: Expr) -> Expr {
    let all = |parts: Vec<Expr>| parts.into_iter().map(placeless).collect();
    match expr {
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(part) => Expr::Not(Box::new(placeless(*part))),
        Expr::Is(is) => Expr::Is(Restriction { at: (0, 0), value: Value { at: 0, ..is.value }, ..is }),
    }
}

fn any_expr() -> impl Strategy<Value = Expr> {
    use Comparator::{Eq, Ge, Gt, Has, Le, Lt, Ne};
    let is_word = |text: &String| !matches!(text.as_str(), "AND" | "OR" | "NOT");
    let word = "[A-Za-z0-9_.+*-][A-Za-z0-9_:.+*-]{0,8}".prop_filter("a keyword", is_word);
    // a word may be empty only within quotes
    let value = prop_oneof![
        word.prop_map(|text| Value { text, quoted: false, at: 0 }),
        any::<String>().prop_map(|text| Value { text, quoted: true, at: 0 }),
    ];
    let part = prop_oneof!["[a-z_]{1,6}", "(AND|OR|NOT)", any::<String>()];
    let comparator = proptest::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge, Has]);
    let is =
        (prop::collection::vec(part, 1..4), comparator, value).prop_map(|(member, comparator, value)| {
            Expr::Is(Restriction { member, comparator, value, at: (0, 0) })
        });
    is.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|part| Expr::Not(Box::new(part))),
        ]
    })
}

/// Texts that are nearly filters.
fn any_soup() -> impl Strategy<Value = String> {
    let words = vec![
        "name",
        "revenue",
        "at.first",
        "tags",
        "=",
        "!=",
        "!",
        "<",
        "<=",
        ":",
        ":*",
        "(",
        ")",
        "-",
        " ",
        " ",
        "AND",
        " OR ",
        "NOT ",
        "'",
        "\"",
        "\\",
        ".",
        ",",
        "12.5",
        "2025-01-31T12:00:00Z",
        "é",
        "\u{2028}",
        "\0",
        "*",
    ];
    prop::collection::vec(proptest::sample::select(words), 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn what_is_written_out_parses_to_the_same(expr in any_expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parser::parse(&text).unwrap().map(placeless), Some(expr), "{}", text);
    }

    #[test]
    fn no_text_is_too_wild(text in prop_oneof![any::<String>(), any_soup()]) {
        match super::read(FIELDS, &Family::default(), &text) {
            Ok(filter) => filter.narrow(&mut QueryBuilder::new("")),
            Err(mistake) => prop_assert!((1..=text.chars().count() + 1).contains(&mistake.at), "{:?}", mistake),
        }
    }
}

#[test]
fn members_of_a_family_are_fields_too() {
    let family = Family {
        name: "properties",
        members: vec![("size".to_owned(), Kind::Decimal, "(t.p->>'size')::numeric".to_owned())],
    };
    let mut query = QueryBuilder::new("");
    Filter::read_with(FIELDS, &family, "properties.size >= 1.50 name=x").unwrap().narrow(&mut query);
    let sql = query.build().sql().as_str().to_owned();
    assert_eq!(sql, " AND (((t.p->>'size')::numeric >= $1::numeric) AND (t.name = $2))");
    for unknown in
        ["properties.hue = 1", "other.size = 1", "size = 1", "properties = 1", "properties.size.x = 1"]
    {
        let mistake = super::read(FIELDS, &family, unknown).unwrap_err();
        assert!(mistake.at == 1 && mistake.what.ends_with(", properties.size"), "{mistake:?}");
    }
    let mistake = super::read(FIELDS, &family, "properties.size = red").unwrap_err();
    assert_eq!((mistake.at, mistake.what.as_str()), (19, "expected a decimal such as 12.34, without quotes"));
}

#[test]
fn what_is_asked_of_the_time_of_recording_is_asked_of_the_id() {
    assert_eq!(sql("made_at >= 2025-01-01T00:00:00Z"), " AND (t.made_at >= $1 AND t.id >= $2)");
    assert_eq!(sql("made_at < 2025-01-01T00:00:00Z"), " AND (t.made_at < $1 AND t.id < $2)");
    assert_eq!(sql("made_at = 2025-01-01T00:00:00Z"), " AND (t.made_at = $1 AND t.id >= $2 AND t.id < $3)");
    assert_eq!(sql("made_at != 2025-01-01T00:00:00Z"), " AND (t.made_at IS DISTINCT FROM $1)");
}

#[test]
fn amounts_above_zero_are_asked_for_as_such() {
    for above in ["revenue > 0", "revenue > 0.00", "revenue >= 0.01", "revenue = 5"] {
        assert!(sql(above).ends_with(" AND t.minor > 0)"), "{above}: {}", sql(above));
    }
    for any in ["revenue >= 0", "revenue > -1", "revenue = 0", "revenue < 5", "revenue != 5"] {
        assert!(!sql(any).contains("> 0)"), "{any}: {}", sql(any));
    }
}
