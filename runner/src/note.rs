//! What a running job tells its keeper, and the one thing it asks.

use serde::Serialize;
use serde_json::Value;
use store::runner::{Call, Permit};
use tokio::sync::{mpsc, oneshot};

/// A message from the job to whoever keeps its row.
#[derive(Debug)]
pub enum Note {
    /// Where it is, as the object the contract's progress takes; at most one every two seconds.
    Progress(Value),
    /// Something worth a line in the job's events.
    Event {
        /// The contract's event type.
        kind: &'static str,
        /// One sentence.
        message: String,
        /// The contract's keys for that type.
        metadata: Value,
    },
    /// A model was called and has to be paid for.
    Usage(Usage),
    /// May what the page holds be sent now? Asked just before each click that could send it.
    Permit(oneshot::Sender<Permit>),
    /// The permit was not used up, as this evidence proves; whether it was taken back.
    Return(Value, oneshot::Sender<bool>),
}

/// One model call, for the ledger. `cached` is not within `input`, `reasoning` not within `output`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The provider's name in the catalogue.
    pub provider: String,
    /// The model's id.
    pub model: String,
    /// What it was asked for: `map` (answers for a page).
    pub purpose: &'static str,
    /// Input tokens billed in full.
    pub input: u64,
    /// Input tokens served from the provider's cache.
    pub cached: u64,
    /// Output tokens that are the answer.
    pub output: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// The price by the catalogue; none when it has none.
    pub cost_micros: Option<i64>,
    /// The provider's id of the call, or one of ours.
    pub request_id: String,
    /// How long it took.
    pub duration_ms: u64,
}

impl From<&Usage> for Call {
    fn from(usage: &Usage) -> Self {
        Self {
            request_id: usage.request_id.clone(),
            provider: usage.provider.clone(),
            model: usage.model.clone(),
            purpose: usage.purpose.to_owned(),
            input: usage.input,
            cached: usage.cached,
            output: usage.output,
            reasoning: usage.reasoning,
        }
    }
}

/// Sends notes; a keeper that is gone is no reason to stop, the heartbeat decides that.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::Sender<Note>);

impl Reporter {
    /// A reporter for this channel.
    pub fn new(notes: mpsc::Sender<Note>) -> Self {
        Self(notes)
    }

    /// Sends a note.
    pub async fn send(&self, note: Note) {
        let _ = self.0.send(note).await;
    }

    /// Sends an event.
    pub async fn event(&self, kind: &'static str, message: impl Into<String>, metadata: Value) {
        self.send(Note::Event { kind, message: message.into(), metadata }).await;
    }

    /// Asks for leave to send the application; nobody to ask means no.
    pub async fn permit(&self) -> Permit {
        let (answer, answered) = oneshot::channel();
        self.send(Note::Permit(answer)).await;
        answered.await.unwrap_or_else(|_| Permit::Refused("nobody could grant it".into()))
    }

    /// Gives the permit back with what proves that nothing was sent for good; whether it was taken back.
    pub async fn return_permit(&self, evidence: Value) -> bool {
        let (answer, answered) = oneshot::channel();
        self.send(Note::Return(evidence, answer)).await;
        answered.await.unwrap_or(false)
    }
}
