//! How Postgres finds what a statement asks for.

use pg::sqlx::postgres::PgConnection;
use pg::sqlx::{Postgres, QueryBuilder};

/// The plan that a statement which begins with `EXPLAIN` yields, and how many blocks it says were read.
pub async fn plan(
    mut explain: QueryBuilder<Postgres>,
    connection: &mut PgConnection,
) -> anyhow::Result<(String, u64)> {
    let lines: Vec<(String,)> = explain.build_query_as().persistent(false).fetch_all(connection).await?;
    let lines: Vec<String> = lines.into_iter().map(|(line,)| line).collect();
    let count = |part: &str| part.split_once('=').and_then(|(_, n)| n.parse::<u64>().ok());
    let counts = lines.iter().find_map(|line| line.trim().strip_prefix("Buffers: shared "));
    let blocks = counts.map_or(0, |counts| counts.split(' ').filter_map(count).sum());
    Ok((lines.join("\n"), blocks))
}
