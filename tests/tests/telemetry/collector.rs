//! A collector of our own: takes what is exported, and lets tests wait for it.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use tokio::sync::watch;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Longest wait for something to be exported.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Collector {
    pub(crate) address: String,
    received: watch::Receiver<Vec<ExportTraceServiceRequest>>,
}

struct Receiver(watch::Sender<Vec<ExportTraceServiceRequest>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.send_modify(|all| all.push(request.into_inner()));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (sender, received) = watch::channel(Vec::new());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let service = TraceServiceServer::new(Receiver(sender));
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Ok(Self { address, received })
    }

    /// Everything that was exported, once `enough` says so.
    pub(crate) async fn spans(&self, enough: impl Fn(&[Span]) -> bool) -> anyhow::Result<Vec<Span>> {
        let mut received = self.received.clone();
        let wanted = received.wait_for(|all| enough(&spans_of(all)));
        if let Ok(all) = tokio::time::timeout(PATIENCE, wanted).await {
            return Ok(spans_of(&all?));
        }
        let names: Vec<_> = spans_of(&self.received.borrow()).into_iter().map(|s| s.name).collect();
        anyhow::bail!("not exported in time; there is {names:#?}")
    }

    /// Everything that was exported, as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.borrow().iter().flat_map(prost::Message::encode_to_vec).collect()
    }

    /// Names of the services that have spans in a trace.
    pub(crate) fn services(&self, trace: &[u8]) -> Vec<String> {
        let all = self.received.borrow();
        let of_trace = |spans: &&ResourceSpans| {
            let mut spans = spans.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.any(|span| span.trace_id == trace)
        };
        let resources = all.iter().flat_map(|r| &r.resource_spans).filter(of_trace);
        let attributes = resources.filter_map(|r| r.resource.as_ref()).flat_map(|r| &r.attributes);
        let mut names: Vec<String> = attributes
            .filter(|attribute| attribute.key == "service.name")
            .filter_map(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn spans_of(all: &[ExportTraceServiceRequest]) -> Vec<Span> {
    let scopes = all.iter().flat_map(|r| &r.resource_spans).flat_map(|r| &r.scope_spans);
    scopes.flat_map(|scope| scope.spans.iter().cloned()).collect()
}

/// The span of this name in this trace.
pub(crate) fn named<'a>(spans: &'a [Span], trace: &[u8], name: &str) -> anyhow::Result<&'a Span> {
    let found = spans.iter().find(|span| span.trace_id == trace && span.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = spans.iter().filter(|s| s.trace_id == trace).map(|s| &s.name).collect();
        anyhow::anyhow!("no span {name} in {names:#?}")
    })
}
