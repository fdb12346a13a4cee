//! The way to the collector: spans in batches over OTLP/HTTP. Where it is, what it wants in its headers and how long it may take
//! stands in the variables of OpenTelemetry's specification (`OTEL_EXPORTER_OTLP_…`, `OTEL_RESOURCE_ATTRIBUTES`).

use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// How many spans are waited with, and how many are sent at once.
const QUEUE: usize = 2048;
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// What the collector's task hears.
#[derive(Debug)]
pub enum Told {
    /// A span is over.
    Span(Box<SpanData>),
    /// Somebody waits until everything before this has arrived.
    Flush(oneshot::Sender<()>),
}

/// Starts the task that sends; `None` when the environment names no collector.
#[expect(
    clippy::disallowed_methods,
    reason = "the exporter reads OpenTelemetry's own variables itself; this only asks whether it should"
)]
pub fn start(service: &'static str) -> Result<Option<mpsc::Sender<Told>>, Box<dyn std::error::Error>> {
    let places =
        [std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT"), std::env::var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")];
    if places.iter().flatten().all(String::is_empty) {
        return Ok(None);
    }
    let mut exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
    exporter.set_resource(&Resource::builder().with_service_name(service).build());
    let (sender, told) = mpsc::channel(QUEUE);
    tokio::spawn(send(exporter, told));
    Ok(Some(sender))
}

async fn send(exporter: SpanExporter, mut told: mpsc::Receiver<Told>) {
    let mut fails = false;
    while let Some(first) = told.recv().await {
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        let until = Instant::now() + GATHER;
        let mut next = Some(first);
        while let Some(heard) = next {
            match heard {
                Told::Span(span) => batch.push(*span),
                Told::Flush(arrived) => waiting.push(arrived),
            }
            let full = batch.len() >= BATCH || !waiting.is_empty();
            next = if full { None } else { timeout_at(until, told.recv()).await.ok().flatten() };
        }
        if !batch.is_empty() {
            let spans = batch.len();
            let sent = exporter.export(batch).await;
            if let Err(error) = &sent
                && !fails
            {
                tracing::warn!(spans, %error, "the collector did not take spans; they are lost, and so are the next until it does");
            }
            fails = sent.is_err();
        }
        for arrived in waiting {
            let _ = arrived.send(()); // who waited may have given up
        }
    }
}
