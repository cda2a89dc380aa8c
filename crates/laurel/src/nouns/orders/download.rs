//! `laurel orders export`: orders as a CSV file.

use std::path::PathBuf;

use clap::Args;
use proto::orders::{ExportOrdersRequest, ExportOrdersResponse};

use super::super::download::{Noun, save};
use super::super::{Session, call};
use super::Selection;

/// Arguments of `laurel orders export`.
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// The file; without one, standard output. It is there only when it is whole
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

/// Writes to a file, or to standard output.
pub(super) async fn export(session: &Session, arguments: Export) -> anyhow::Result<()> {
    let Selection { campaign_id, contact_id, filter, order_by } = arguments.selection;
    let contact_id = session.contact_id(contact_id.as_ref()).await?;
    let request = ExportOrdersRequest { campaign_id, contact_id, filter: filter.filter, order_by };
    let call = async { Ok(call!(session.orders.export_orders(request))) };
    let noun = Noun { one: "order", many: "orders" };
    save(session, arguments.file.as_deref(), noun, call, |ExportOrdersResponse { chunk, rows }| (chunk, rows))
        .await
}
