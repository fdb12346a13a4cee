//! Traces of jobs for an OpenTelemetry collector: off, and free of cost, until `OTEL_EXPORTER_OTLP_ENDPOINT` says where one is.
//!
//! A job's way leads through several processes, most of which end before it does. So nothing is kept open across them: a span is
//! told when it is over, and the ids that others hang on are those of the job and of its attempts. Its attributes are ids, words
//! of ours and counts: never a secret, nothing that a page says, nothing about a person.

mod collector;
mod place;

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

pub use place::Place;

/// How long the end of a process waits for its last spans to arrive.
const FLUSH: Duration = Duration::from_secs(3);

static COLLECTOR: OnceLock<mpsc::Sender<collector::Told>> = OnceLock::new();

/// Begins to tell the collector of the environment, if it names one; within a runtime.
pub(crate) fn start(service: &'static str) {
    match collector::start(service) {
        Ok(Some(collector)) => {
            let _ = COLLECTOR.set(collector); // a second start of one process tells the first one's collector
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(error = %crate::chain(&*error), "no traces: the collector cannot be told");
        }
    }
}

/// Whether somebody is told.
pub fn is_on() -> bool {
    COLLECTOR.get().is_some()
}

/// Waits until everything told so far has arrived, for three seconds at most.
pub async fn flush() {
    let Some(collector) = COLLECTOR.get() else { return };
    let (arrived, wait) = oneshot::channel();
    if collector.send(collector::Told::Flush(arrived)).await.is_ok() && timeout(FLUSH, wait).await.is_err() {
        tracing::warn!("the last spans did not reach the collector in time");
    }
}

/// One stretch of a job's way. It is told when it [ends](Span::end); one that is dropped is not told.
#[derive(Debug)]
#[must_use]
pub struct Span {
    name: Cow<'static, str>,
    above: Place,
    id: u64,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    kind: SpanKind,
    status: Status,
}

impl Span {
    /// Begins now, at a place in a trace.
    pub fn begin(name: impl Into<Cow<'static, str>>, above: Place) -> Self {
        Self {
            name: name.into(),
            above,
            id: place::half(Uuid::new_v4()),
            began: SystemTime::now(),
            attributes: Vec::new(),
            kind: SpanKind::Internal,
            status: Status::Unset,
        }
    }

    /// The same, begun at this time.
    pub fn since(self, began: SystemTime) -> Self {
        Self { began, ..self }
    }

    /// The same, found by the id of what it is about: others may hang on it without having been told of it.
    pub fn about(self, subject: Uuid) -> Self {
        Self { id: place::half(subject), ..self }
    }

    /// The same, as a call of another system.
    pub fn call(self) -> Self {
        Self { kind: SpanKind::Client, ..self }
    }

    /// Says more of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key, value));
    }

    /// Gives it another name: what it was is known by now.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.name = name.into();
    }

    /// Says that it came to nothing, with a word of ours for why.
    pub fn fail(&mut self, why: &'static str) {
        self.status = Status::error(why);
    }

    /// Where what happens within it belongs.
    pub fn place(&self) -> Place {
        self.above.within(self.id)
    }

    /// Ends now.
    pub fn end(self) {
        self.end_at(SystemTime::now());
    }

    /// Ended at this time.
    pub fn end_at(self, ended: SystemTime) {
        let Some(collector) = COLLECTOR.get() else { return };
        let (trace, parent) = self.above.ids();
        let context = SpanContext::new(
            TraceId::from(trace),
            SpanId::from(self.id),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        );
        let span = SpanData {
            span_context: context,
            parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: false,
            span_kind: self.kind,
            name: self.name,
            start_time: self.began,
            end_time: ended.max(self.began),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: self.status,
            instrumentation_scope: InstrumentationScope::builder("ghosthands").build(),
        };
        // A collector that does not keep up loses spans; nobody waits for it.
        let _ = collector.try_send(collector::Told::Span(Box::new(span)));
    }
}
