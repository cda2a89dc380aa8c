use definitions::yaml::Problem;
use time::macros::datetime;

use crate::domain::definition::parse;
use crate::domain::program::{Amount, Approval, Beneficiary, Fulfilment};

const GOOD: &str = "\
program: CDNOW referrals
campaign: cdnow
effective_from: 1997-01-01
rules:
  - key: advocate-first
    journey: cdnow-lifecycle
    stage: first-purchase
    action: CREATE
    beneficiary: ADVOCATE
    amount: {fixed: 10.00 USD}
    when: order.revenue_minor > 0
    kind: CREDIT
    hold: 30d
    approval: AUTOMATIC
    fulfilment: ON_APPROVAL
  - key: contact-repeat
    journey: cdnow-lifecycle
    stage: repeat-purchase
    action: CREATE
    beneficiary: CONTACT
    amount: {percent: 5%, floor: 1.00 USD, ceiling: 25.00 USD}
    approval: BY_HAND
    inferred: true
";

fn problems(text: &str) -> Vec<(u32, String)> {
    parse(text).unwrap_err().into_iter().map(|Problem { line, message, .. }| (line, message)).collect()
}

/// The one problem of [`GOOD`] with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> (u32, String) {
    assert!(GOOD.contains(from), "{from}");
    let mut found = problems(&GOOD.replacen(from, to, 1));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn r1_a_program_is_read() {
    let program = parse(GOOD).unwrap();
    assert_eq!((program.name.as_str(), program.campaign.as_str()), ("CDNOW referrals", "cdnow"));
    assert_eq!(program.effective_from.unwrap().at, datetime!(1997-01-01 0:00 UTC));
    let [first, repeat] = program.rules.as_slice() else { panic!("two rules") };
    assert_eq!(first.beneficiary, Beneficiary::Advocate);
    assert_eq!(first.hold, time::Duration::days(30));
    assert_eq!((first.approval, first.fulfilment), (Approval::Automatic, Fulfilment::OnApproval));
    assert_eq!((repeat.approval, repeat.fulfilment), (Approval::ByHand, Fulfilment::ByHand));
    assert_eq!(repeat.hold, time::Duration::ZERO);
    assert!(repeat.inferred && !first.inferred);
    let Amount::Percent { share, floor, ceiling } = &repeat.amount else { panic!("a percentage") };
    assert_eq!((share.0, floor.unwrap().minor, ceiling.unwrap().minor), (500, 100, 2500));
}

#[test]
fn r1_a_moment_may_say_its_offset() {
    let program = parse(&GOOD.replace("1997-01-01", "1997-01-01T01:00:00+01:00")).unwrap();
    assert_eq!(program.effective_from.unwrap().at, datetime!(1997-01-01 0:00 UTC));
}

#[test]
fn a_bad_definition_is_reported_by_line() {
    for (from, to, line, message) in [
        ("program: CDNOW referrals", "program: ''", 1, "a name of 1 to 200 printable bytes"),
        ("campaign: cdnow", "campaign: CD NOW", 2, "`CD NOW` must be lower-case"),
        ("1997-01-01", "yesterday", 3, "expected a moment"),
        ("advocate-first", "Advocate_First", 5, "`Advocate_First` must be"),
        ("CREATE", "PAY", 8, "unknown value `PAY`"),
        ("ADVOCATE", "EVERYBODY", 9, "unknown value `EVERYBODY`"),
        ("10.00 USD", "10.00", 10, "expected an amount and a currency"),
        ("10.00 USD", "10.00 USX", 10, "`USX` is not an ISO 4217"),
        ("10.00 USD", "10.001 USD", 10, "`10.001` is finer than the minor unit"),
        ("10.00 USD", "-1.00 USD", 10, "`-1.00` is negative"),
        ("fixed: 10.00 USD", "", 10, "expected either `fixed`"),
        ("fixed: 10.00 USD", "fixed: 1 USD, percent: 5%", 10, "expected either `fixed`"),
        ("order.revenue_minor > 0", "order.revenue > 0", 11, "`order` has no field `revenue`"),
        ("order.revenue_minor > 0", "order.revenue_minor", 11, "must be true or false"),
        ("hold: 30d", "hold: 30 days", 13, "expected a duration"),
        ("AUTOMATIC", "MAYBE", 14, "unknown value `MAYBE`"),
        ("contact-repeat", "advocate-first", 16, "stands above"),
        ("percent: 5%", "percent: 5", 21, "expected a percentage"),
        ("ceiling: 25.00 USD", "ceiling: 25.00 EUR", 21, "two currencies"),
        ("ceiling: 25.00 USD", "ceiling: 0.50 USD", 21, "the ceiling is below the floor"),
        ("inferred: true", "colour: blue", 23, "unknown field `colour`"),
    ] {
        let (found_line, found) = broken(from, to);
        assert_eq!(found_line, line, "{to}: {found}");
        assert!(found.contains(message), "{to}: {found}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = GOOD.replace("30d", "soon").replace("25.00 USD", "25").replace("1997-01-01", "then");
    let lines: Vec<u32> = problems(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 13, 21]);
}

#[test]
fn a_program_has_a_bounded_number_of_rules() {
    let rule =
        "  - {key: rN, journey: j, stage: s, action: CREATE, beneficiary: CONTACT, amount: {fixed: 1 USD}}\n";
    let rules = |n: usize| (0..n).map(|i| rule.replace("rN", &format!("r{i}"))).collect::<String>();
    let text = |n| format!("program: p\ncampaign: c\nrules:\n{}", rules(n));
    assert_eq!(parse(&text(100)).unwrap().rules.len(), 100);
    assert!(problems(&text(101))[0].1.contains("at most 100"));
}
