//! ImportCouponCodes: a CSV file of any size, in pieces, in constant memory (A14).

use std::sync::Arc;

use futures::stream::BoxStream;
use proto::attribution as v1;
use rpc::csv::columns::{Cells, Columns, Fault, Layout, Mapping};
use rpc::csv::import::{self, Answers, Import};
use rpc::csv::{Fields, Malformed, Record};
use rpc::{Error, Reason, caller, fields};
use tonic::{Request, Status, Streaming};
use types::{Origin, TenantId};

use super::cells::ADVOCATE;
use crate::App;
use crate::commands::import_coupons::Command;
use crate::domain::coupon::NewCoupon;

static LAYOUT: Layout =
    Layout { fields: &["code", "campaign", "advocate", "advocate_uid"], only_exported: &[] };

/// Begins an import; what comes of it is the stream.
pub(super) fn start(
    app: &Arc<App>,
    request: Request<Streaming<v1::ImportCouponCodesRequest>>,
) -> Result<BoxStream<'static, Result<v1::ImportCouponCodesResponse, Status>>, Error> {
    let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
    let (messages, app) = (request.into_inner(), Arc::clone(app));
    Ok(import::answer(app.stop.clone(), |answers| async move {
        let mut codes = CodeImport {
            app,
            tenant,
            origin,
            columns: None,
            is_single_use: false,
            rows: Vec::new(),
            progress: v1::ImportCouponCodesProgress::default(),
            answers,
        };
        import::read(&mut codes, messages).await?;
        Ok(v1::ImportCouponCodesResponse { summary: Some(codes.progress), ..Default::default() })
    }))
}

/// A row that has been read, or why it cannot be.
struct Row {
    line: u64,
    /// With the field by which it names the advocate.
    coupon: Result<(NewCoupon, &'static str), Fault>,
}

/// An import under way.
struct CodeImport {
    app: Arc<App>,
    tenant: TenantId,
    origin: Origin,
    columns: Option<Columns>,
    is_single_use: bool,
    rows: Vec<Row>,
    progress: v1::ImportCouponCodesProgress,
    answers: Answers<v1::ImportCouponCodesResponse>,
}

impl Import for CodeImport {
    type Message = v1::ImportCouponCodesRequest;

    fn piece(&mut self, message: Self::Message, is_first: bool) -> Result<Vec<u8>, Error> {
        if is_first {
            self.is_single_use = message.single_use;
        } else if message.single_use {
            return Err(Error::field("single_use", "belongs in the first message only"));
        }
        Ok(message.chunk)
    }

    fn header(&mut self, header: Result<Fields<'_>, Malformed>) -> Result<(), Error> {
        let columns = Columns::read(header, &LAYOUT, &Mapping::new())?;
        columns.require(&["code"], "is required")?;
        columns.require(&["campaign", "advocate", "advocate_uid"], "is required, or else advocate")?;
        self.columns = Some(columns);
        Ok(())
    }

    fn row(&mut self, record: Record<'_>) {
        let Some(columns) = &self.columns else { return };
        let coupon = columns
            .cells(record.fields)
            .and_then(|cells| coupon(&cells, self.is_single_use).map_err(|error| columns.fault(error)));
        self.rows.push(Row { line: record.line, coupon });
    }

    async fn carry_out(&mut self) -> Result<(), Error> {
        let (mut commands, mut places) = (Vec::new(), Vec::new());
        for Row { line, coupon } in self.rows.drain(..) {
            let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
            match coupon {
                Ok((new, advocate)) => {
                    commands.push(Command { tenant, origin, new });
                    places.push((line, Ok(advocate)));
                }
                Err(fault) => places.push((line, Err(fault))),
            }
        }
        let mut answers = self.app.coupons.run_all(commands).await.into_iter();
        let mut rejected = Vec::new();
        for (line, read) in places {
            self.progress.rows += 1;
            let answer = read.and_then(|advocate| {
                let answer = answers.next().ok_or_else(Error::internal);
                answer.and_then(|a| a.map_err(Error::from)).map_err(|error| self.refused(error, advocate))
            });
            match answer {
                Ok(true) => self.progress.imported += 1,
                Ok(false) => self.progress.already_imported += 1,
                Err(Fault { error, .. }) if import::ends(&error) => return Err(*error),
                Err(fault) => {
                    self.progress.rejected += 1;
                    rejected.push(row(line, fault));
                }
            }
        }
        let answer = v1::ImportCouponCodesResponse { rejected, progress: Some(self.progress), summary: None };
        // a caller that went away gets no answer; what is imported stands
        let _ = self.answers.send(Ok(answer)).await;
        Ok(())
    }
}

impl CodeImport {
    /// Why a rule refused a row, and which column that is about.
    fn refused(&self, error: Error, advocate: &'static str) -> Fault {
        let field = match error.reason() {
            Reason::CampaignNotFound => "campaign",
            Reason::ContactNotFound | Reason::ContactConflict | Reason::AdvocateNotEligible => advocate,
            Reason::CodeTaken => "code",
            _ => error.first_field(),
        };
        let column = self.columns.as_ref().map(|columns| columns.name_of(field).to_owned());
        Fault { column: column.unwrap_or_default(), error: Box::new(error) }
    }
}

fn row(line: u64, Fault { column, error }: Fault) -> v1::RejectedCode {
    let (reason, message) = (error.reason().into(), error.message().to_owned());
    v1::RejectedCode { line: import::line(line), column, reason, message }
}

fn coupon(cells: &Cells<'_>, is_single_use: bool) -> Result<(NewCoupon, &'static str), Error> {
    let code = fields::parse("code", cells.text("code")?)?;
    let campaign = fields::parse_optional("campaign", cells.text("campaign")?)?;
    let advocate = ADVOCATE.read(cells)?;
    if campaign.is_none() && advocate.is_none() {
        return Err(Error::field("advocate", "is required without a campaign: a pool is a campaign's"));
    }
    Ok((NewCoupon { code, campaign, advocate, is_single_use }, ADVOCATE.field(cells)))
}
