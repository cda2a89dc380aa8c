//! What beneficiaries owe back (R9), for one slice of work: as it was loaded, and as it is at the end.

use std::collections::BTreeMap;

use types::{ContactId, Currency, TenantId};

/// Whose debt, and in what. All rewards are of one kind so far, so it has no part in this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Debtor {
    /// Whose.
    pub tenant: TenantId,
    /// Who owes.
    pub contact: ContactId,
    /// In which currency.
    pub currency: Currency,
}

/// Debts of the beneficiaries that a slice pays or claims from.
#[derive(Debug, Default)]
pub struct Receivables(BTreeMap<Debtor, Debt>);

#[derive(Debug, Default, Clone, Copy)]
struct Debt {
    before: i64,
    now: i64,
}

impl Receivables {
    /// Debts as they are.
    pub fn new(loaded: impl IntoIterator<Item = (Debtor, i64)>) -> Self {
        Self(loaded.into_iter().map(|(debtor, minor)| (debtor, Debt { before: minor, now: minor })).collect())
    }

    /// What is owed now.
    pub fn owed(&self, debtor: &Debtor) -> i64 {
        self.0.get(debtor).map_or(0, |debt| debt.now)
    }

    /// More is owed, or less.
    pub fn add(&mut self, debtor: Debtor, minor: i64) {
        self.0.entry(debtor).or_default().now += minor;
    }

    /// By how much each debt changed.
    pub fn changes(&self) -> impl Iterator<Item = (&Debtor, i64)> {
        let change = |(debtor, debt): (_, &Debt)| (debtor, debt.now - debt.before);
        self.0.iter().map(change).filter(|(_, minor)| *minor != 0)
    }
}
