//! `laurel audit`: who did what, newest first, out of one service or all.

use proto::common::AuditEntry;
use rpc::fields::wire_time;
use serde_json::Value;

use crate::cli::{AuditArguments, AuditedService as Service};
use crate::client::Audits;
use crate::refusal::explain;
use crate::show::{self, Table};

/// Entries of one page.
const PAGE: usize = 1000;
const COLUMNS: &[&str] = &["recorded_at", "service", "principal", "method", "resources"];

/// One line.
type Line = (Service, AuditEntry);

/// Prints the newest entries that the arguments select: a table, or one JSON object a line.
pub(super) async fn audit(clients: &Audits, arguments: &AuditArguments, tenant: &str) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for service in Service::ALL {
        if arguments.service.is_none_or(|asked| asked == service) {
            let entries = newest(clients, service, arguments).await?;
            lines.extend(entries.into_iter().map(|entry| (service, entry)));
        }
    }
    merge(&mut lines, arguments.limit);
    anyhow::ensure!(!lines.is_empty() || arguments.json, "no such audit entries in tenant {tenant}");
    let values = lines.iter().map(if arguments.json { json } else { row });
    let values = values.collect::<anyhow::Result<Vec<_>>>()?;
    show::page(&values, &mut Table::new(COLUMNS), arguments.json)
}

/// Newest first, whatever the service; at most `limit`.
fn merge(lines: &mut Vec<Line>, limit: usize) {
    let when = |(_, entry): &Line| entry.recorded_at.map(|at| (at.seconds, at.nanos));
    lines.sort_by_key(|line| std::cmp::Reverse(when(line)));
    lines.truncate(limit);
}

/// The newest entries of one service, page by page up to the limit.
async fn newest(
    clients: &Audits,
    service: Service,
    arguments: &AuditArguments,
) -> anyhow::Result<Vec<AuditEntry>> {
    let (mut entries, mut token) = (Vec::new(), String::new());
    loop {
        let size = (arguments.limit - entries.len()).min(PAGE);
        let (more, next) = page(clients, service, arguments, i32::try_from(size)?, token).await?;
        entries.extend(more);
        token = next;
        if token.is_empty() || entries.len() >= arguments.limit {
            return Ok(entries);
        }
    }
}

/// One page; the four contracts differ in nothing but their names.
macro_rules! list {
    ($client:expr, $contract:ident, $arguments:expr, $page_size:expr, $page_token:expr) => {{
        let request = proto::$contract::ListAuditEntriesRequest {
            page_size: $page_size,
            page_token: $page_token,
            principal: $arguments.principal.clone(),
            method: $arguments.method.clone(),
            since: $arguments.since.map(wire_time),
            until: $arguments.until.map(wire_time),
        };
        let answer = $client.clone().list_audit_entries(request).await.map_err(explain)?.into_inner();
        Ok((answer.entries, answer.next_page_token))
    }};
}

async fn page(
    clients: &Audits,
    service: Service,
    arguments: &AuditArguments,
    size: i32,
    token: String,
) -> anyhow::Result<(Vec<AuditEntry>, String)> {
    match service {
        Service::Attribution => list!(clients.attribution, attribution, arguments, size, token),
        Service::Orders => list!(clients.orders, orders, arguments, size, token),
        Service::Journeys => list!(clients.journeys, journeys, arguments, size, token),
        Service::Rewards => list!(clients.rewards, rewards, arguments, size, token),
    }
}

/// An entry as its contract names it, and its service.
fn json((service, entry): &Line) -> anyhow::Result<Value> {
    let mut value = show::json(entry)?;
    value["service"] = service.name().into();
    Ok(value)
}

/// What the table shows: of the method its name without its service.
fn row(line: &Line) -> anyhow::Result<Value> {
    let mut value = json(line)?;
    value["method"] = line.1.method.rsplit('/').next().unwrap_or_default().into();
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: i64, method: &str, resources: &[&str]) -> AuditEntry {
        AuditEntry {
            principal: "shop".to_owned(),
            method: method.to_owned(),
            resources: resources.iter().map(|id| (*id).to_owned()).collect(),
            recorded_at: Some(prost_types::Timestamp { seconds: at, nanos: 0 }),
            ..Default::default()
        }
    }

    #[test]
    fn entries_of_all_services_are_merged_newest_first() {
        let mut lines = vec![
            (Service::Attribution, entry(3, "A/One", &["a"])),
            (Service::Attribution, entry(1, "A/Two", &["b"])),
            (Service::Orders, entry(2, "O/Three", &["c"])),
        ];
        merge(&mut lines, 2);
        let told: Vec<_> = lines.iter().map(|(_, entry)| entry.method.as_str()).collect();
        assert_eq!(told, ["A/One", "O/Three"]);
    }

    #[test]
    fn a_row_names_the_method_without_its_service_and_counts_what_it_does_not_show() {
        let line =
            (Service::Orders, entry(0, "laurel.orders.v1.OrderService/RecordOrder", &["1", "2", "3", "4"]));
        let wanted = [
            "RECORDED AT           SERVICE  PRINCIPAL  METHOD       RESOURCES",
            "1970-01-01T00:00:00Z  orders   shop       RecordOrder  1, 2, 3 and 1 more",
        ];
        assert_eq!(Table::new(COLUMNS).lines(&[row(&line).unwrap()]), wanted);
        let value = json(&line).unwrap();
        assert_eq!((&value["service"], &value["resources"][3]), (&"orders".into(), &"4".into()));
    }
}
