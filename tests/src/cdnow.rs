//! The story's totals from the data file alone.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// What must come out, in a few lines that share no code with the services. Amounts in cents.
pub fn independent() -> anyhow::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cdnow/CDNOW_master.txt");
    let text = fs::read_to_string(path)?;
    let (mut revenue, mut orders, mut seen) = (0_u64, 0_u64, HashMap::<u32, u64>::new());
    let (mut first, mut repeats, mut repeat_cents) = (0_u64, 0_u64, 0_u64);
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let customer: u32 = columns[0].parse()?;
        let cents: u64 = columns[3].replace('.', "").parse()?;
        orders += 1;
        revenue += cents;
        let nth = seen.entry(customer).or_default();
        *nth += 1;
        if customer.is_multiple_of(10) || cents == 0 {
            continue;
        }
        if *nth == 1 {
            first += 1;
            continue;
        }
        // 5 %, half to even, at most 25.00; below half a cent it makes no reward
        let (whole, rest) = (cents * 5 / 100, cents * 5 % 100);
        let share = if rest > 50 || (rest == 50 && whole % 2 == 1) { whole + 1 } else { whole };
        if share > 0 {
            repeats += 1;
            repeat_cents += share.min(2500);
        }
    }
    let referred = seen.keys().filter(|id| !id.is_multiple_of(10)).count() as u64;
    let amount = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let sum = |count: u64, cents: u64| json!({"count": count, "amount": amount(cents)});
    let contacts = seen.len() as u64;
    Ok(json!({
        "orders": orders,
        "revenue": amount(revenue),
        "contacts": contacts,
        "attributions_active": referred,
        "transitions": {
            "referred-lead": referred, "first-purchase": contacts, "repeat-purchase": orders - contacts,
        },
        "rewards": {
            "by_rule": {
                "advocate-first": sum(first, first * 1000),
                "referred-first": sum(first, first * 500),
                "advocate-repeat": sum(repeats, repeat_cents),
            },
            "by_state": {"FULFILLED": sum(2 * first + repeats, first * 1500 + repeat_cents)},
        },
        "ledger_balanced": true,
    }))
}
