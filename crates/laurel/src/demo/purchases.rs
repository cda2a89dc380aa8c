//! The data file, and the orders made of it.

use std::collections::HashSet;
use std::io::{self, Read};

use anyhow::Context;

/// The purchase history, as it was published.
const DATA: &str = include_str!("../../../../examples/cdnow/CDNOW_master.txt");
/// Header of the CSV that is imported.
const HEADER: &str = "order_id,email,revenue,currency,campaign,shortcode,occurred_at\n";
/// Advocates are the customers whose id is divisible by this.
const ADVOCATE_EVERY: u32 = 10;

/// One data line.
#[derive(Debug, Clone, Copy)]
struct Purchase<'a> {
    customer: u32,
    /// `YYYYMMDD`.
    date: &'a str,
    dollars: &'a str,
}

fn purchases() -> impl Iterator<Item = anyhow::Result<Purchase<'static>>> {
    DATA.lines().skip(1).filter(|line| !line.trim().is_empty()).map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let mut field = || fields.next().context("a data line has four columns");
        let (customer, date, _cds, dollars) = (field()?, field()?, field()?, field()?);
        anyhow::ensure!(date.len() == 8 && date.is_ascii(), "a date has eight digits");
        Ok(Purchase { customer: customer.parse()?, date, dollars })
    })
}

/// How many orders there are.
pub(super) fn count() -> usize {
    purchases().count()
}

/// Ids of the customers who are advocates.
pub(super) fn advocates() -> anyhow::Result<Vec<u32>> {
    let mut ids = Vec::new();
    for purchase in purchases() {
        let id = purchase?.customer;
        if id.is_multiple_of(ADVOCATE_EVERY) && ids.last() != Some(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// A customer's e-mail address.
pub(super) fn email(customer: u32) -> String {
    format!("c{customer:05}@cdnow.example")
}

/// An advocate's shortcode.
pub(super) fn shortcode(advocate: u32) -> String {
    format!("C{advocate:05}")
}

/// The orders as one CSV, made line by line as it is read.
pub(super) struct OrdersCsv {
    purchases: Box<dyn Iterator<Item = (usize, anyhow::Result<Purchase<'static>>)> + Send>,
    seen: HashSet<u32>,
    line: Vec<u8>,
    sent: usize,
}

impl OrdersCsv {
    pub(super) fn new() -> Self {
        Self {
            purchases: Box::new(purchases().enumerate()),
            seen: HashSet::new(),
            line: HEADER.as_bytes().to_vec(),
            sent: 0,
        }
    }

    fn row(&mut self, n: usize, purchase: Purchase<'_>) -> String {
        let Purchase { customer, date, dollars } = purchase;
        let first = self.seen.insert(customer);
        let code = if first && !customer.is_multiple_of(ADVOCATE_EVERY) {
            shortcode(customer.next_multiple_of(ADVOCATE_EVERY))
        } else {
            String::new()
        };
        let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
        let (order, email) = (n + 1, email(customer));
        format!("cdnow-{order},{email},{dollars},USD,cdnow,{code},{year}-{month}-{day}T12:00:00Z\n")
    }
}

impl Read for OrdersCsv {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.sent == self.line.len() {
                let Some((n, purchase)) = self.purchases.next() else { break };
                let purchase = purchase.map_err(io::Error::other)?;
                self.line = self.row(n, purchase).into_bytes();
                self.sent = 0;
            }
            let rest = &self.line[self.sent..];
            let fits = rest.len().min(buffer.len() - filled);
            buffer[filled..filled + fits].copy_from_slice(&rest[..fits]);
            filled += fits;
            self.sent += fits;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_line_becomes_one_row() {
        let mut csv = String::new();
        OrdersCsv::new().read_to_string(&mut csv).unwrap();
        assert_eq!(csv.lines().count(), 69_659 + 1);
        assert_eq!(
            csv.lines().nth(1),
            Some("cdnow-1,c00001@cdnow.example,11.77,USD,cdnow,C00010,1997-01-01T12:00:00Z")
        );
        assert_eq!(count(), 69_659);
    }

    #[test]
    fn only_a_referred_customers_first_order_carries_a_code() {
        let mut csv = String::new();
        OrdersCsv::new().read_to_string(&mut csv).unwrap();
        let codes = csv.lines().skip(1).filter(|row| !row.split(',').nth(5).unwrap().is_empty()).count();
        assert_eq!(codes, 23_570 - advocates().unwrap().len());
    }
}
