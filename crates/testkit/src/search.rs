//! Looking for texts in everything that a schema holds.

use pg::sqlx::postgres::PgConnection;
use pg::sqlx::{AssertSqlSafe, query_as, query_scalar};

/// The tables of `schema` that hold one of `texts` in any column, in any case, also within bytes and JSON; sorted.
pub async fn tables_with(
    database: &mut PgConnection,
    schema: &str,
    texts: &[&str],
) -> anyhow::Result<Vec<String>> {
    let columns: Vec<(String, String, String)> = query_as(
        "SELECT c.table_name::text, c.column_name::text, c.data_type::text
           FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
          WHERE c.table_schema = $1 AND t.table_type = 'BASE TABLE' ORDER BY 1",
    )
    .bind(schema)
    .fetch_all(&mut *database)
    .await?;
    anyhow::ensure!(!columns.is_empty(), "{schema} has tables");
    let patterns: Vec<String> = texts.iter().map(|text| format!("%{}%", text.to_lowercase())).collect();
    let mut holding = Vec::new();
    for (table, column, kind) in columns {
        let text = match kind.as_str() {
            "bytea" => format!("encode(\"{column}\", 'escape')"),
            _ => format!("\"{column}\"::text"),
        };
        let select =
            format!("SELECT EXISTS (SELECT FROM {schema}.\"{table}\" WHERE lower({text}) LIKE ANY ($1))");
        let is_held: bool =
            query_scalar(AssertSqlSafe(select)).bind(&patterns).fetch_one(&mut *database).await?;
        if is_held {
            holding.push(table);
        }
    }
    holding.dedup();
    Ok(holding)
}
