//! DownloadImportReport: what an import refused, as CSV that can be mended and imported again (O10).

use std::collections::VecDeque;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use pg::Database;
use proto::orders::{DownloadImportReportRequest, DownloadImportReportResponse};
use rpc::csv::export::{Places, record};
use rpc::{Error, Reason};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::Orders;
use crate::domain::{ImportKey, Rejected};
use crate::store::rejected;

/// Bytes of a piece after which it is sent: well below what clients take at once.
const PIECE: usize = 256 * 1024;

/// The columns before those of the imported file; an import skips them.
pub(super) const COLUMNS: [&str; 3] = ["line", "column", "reason"];

/// What of a record stands behind the columns of a report. All of it if it has fewer fields than these, so that nothing is
/// lost.
pub(super) fn behind(record: &[u8]) -> &[u8] {
    let (mut is_quoted, mut commas) = (false, 0);
    for (n, byte) in record.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => commas += 1,
            _ => {}
        }
        if commas == COLUMNS.len() {
            return &record[n + 1..];
        }
    }
    record
}

/// A report, and how far it is.
struct Report {
    db: Database,
    stop: CancellationToken,
    places: Places,
    key: ImportKey,
    of: rejected::Report,
    /// The last row that was read.
    after: i64,
    /// Read, but not sent yet.
    read: VecDeque<Rejected>,
    /// Whether the header is sent.
    begun: bool,
}

impl Orders {
    pub(super) async fn report(
        &self,
        request: Request<DownloadImportReportRequest>,
    ) -> Result<BoxStream<'static, Result<DownloadImportReportResponse, Status>>, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let key = ImportKey { tenant, import_id: request.into_inner().import_id };
        let missing = || Error::not_found(Reason::ImportNotFound, "import", &key.import_id);
        let of = rejected::report(&self.db, &key).await?.ok_or_else(missing)?;
        let report = Report {
            db: self.db.clone(),
            stop: self.stop.clone(),
            places: self.exports.clone(),
            key,
            of,
            after: 0,
            read: VecDeque::new(),
            begun: false,
        };
        // a piece is made when the one before it was taken, so a slow caller costs little
        Ok(stream::try_unfold(report, Report::next).map_err(Status::from).boxed())
    }
}

impl Report {
    /// The next piece, if there is one; the first is there also if there are no rows.
    async fn next(mut self) -> Result<Option<(DownloadImportReportResponse, Self)>, Error> {
        self.read_more().await?;
        if self.begun && self.read.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.piece(), self)))
    }

    /// Reads on, unless there is something to send.
    async fn read_more(&mut self) -> Result<(), Error> {
        if self.read.is_empty() {
            let read = async {
                let _turn = self.places.turn().await;
                rejected::part(&self.db, &self.key, (self.after, self.of.up_to)).await
            };
            let rows = self.stop.run_until_cancelled(read).await.ok_or_else(Error::unavailable)??;
            self.after = rows.last().and_then(|row| i64::try_from(row.n).ok()).unwrap_or(self.after);
            self.read = rows.into();
        }
        Ok(())
    }

    /// What was read, up to the size of a piece.
    fn piece(&mut self) -> DownloadImportReportResponse {
        let mut piece = DownloadImportReportResponse::default();
        if !std::mem::replace(&mut self.begun, true) {
            piece.left_out = self.of.left_out;
            piece.chunk = [&record(COLUMNS)[..], &self.of.header].join(&b',');
            piece.chunk.push(b'\n');
        }
        while piece.chunk.len() < PIECE
            && let Some(row) = self.read.pop_front()
        {
            self.write(&row, &mut piece.chunk);
            piece.rows += 1;
        }
        piece
    }

    /// Writes a row: what is wrong, and the record as it was sent.
    fn write(&self, row: &Rejected, to: &mut Vec<u8>) {
        let (fault, line) = (&row.fault, row.line.to_string());
        let reason = format!("{}: {}", fault.reason, fault.message);
        to.extend(record([line.as_str(), &fault.column, &reason]));
        to.push(b',');
        match &row.record {
            Some(record) => to.extend(record),
            None => to.extend(empty(&self.of.header)),
        }
        // the last record of a file may end within quotes: a line break that is there is not made two
        if to.last() != Some(&b'\n') {
            to.push(b'\n');
        }
    }
}

/// A record of empty fields, as many as the header has.
fn empty(header: &[u8]) -> Vec<u8> {
    let mut is_quoted = false;
    let is_comma = |byte: &&u8| {
        is_quoted ^= **byte == b'"';
        **byte == b',' && !is_quoted
    };
    header.iter().filter(is_comma).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o10_what_a_report_puts_before_a_record_is_found_again() {
        for sent in
            [&b"o-1,ann@example.com,1"[..], b"\"o,\n1\",\"a\"\"b\",", b"q\",caf\xe9", b"\"open,\n", b""]
        {
            for column in ["", "a,b", "say \"hi\"", "two\nlines"] {
                let row = [&record(["3", column, "INVALID_FIELD: is, as \"it\" is"])[..], sent].join(&b',');
                assert_eq!(behind(&row), sent);
            }
        }
        for short in [&b""[..], b"3", b"3,email", b"3,\"email,x,y,z"] {
            assert_eq!(behind(short), short, "nothing is lost");
        }
    }

    #[test]
    fn o10_a_record_that_was_not_kept_is_as_wide_as_the_file() {
        assert_eq!(empty(&record(["order_id", "a,\"b\"", "c\nd"])), b",,");
        assert_eq!(empty(b"order_id"), b"");
    }
}
