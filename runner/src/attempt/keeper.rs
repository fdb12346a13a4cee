//! Takes the job's notes to the database, in their order.

use std::time::Duration;

use store::runner::{Attempt, Call, Permit};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::journey::Journey;
use crate::note::Note;

/// How often a permit is offered back; one that cannot be stays spent, which is safe.
const RETURNS: u32 = 3;
/// How often what must not be lost is tried again, and how long between two tries.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until the job has no more to say.
pub(super) async fn keep(
    attempt: &Attempt,
    mut inbox: mpsc::Receiver<Note>,
    mut journey: Option<&mut Journey>,
) {
    while let Some(note) = inbox.recv().await {
        match note {
            // What only moves a picture may be lost.
            Note::Progress(progress) => {
                if let Some(journey) = journey.as_deref_mut() {
                    journey.progress(&progress);
                }
                noted("progress", attempt.progress(&progress).await);
            }
            Note::Event { kind, message, metadata } => {
                noted("event", attempt.event(kind, Some(&message), &metadata).await);
            }
            Note::Usage(usage) => {
                if let Some(journey) = journey.as_deref() {
                    journey.called(&usage);
                }
                spent(attempt, &Call::from(&usage)).await;
            }
            Note::Permit(answer) => {
                let permit = permit(attempt).await;
                tracing::info!(?permit, "permit to submit");
                if let Some(journey) = journey.as_deref_mut() {
                    journey.permitted(&permit);
                }
                let _ = answer.send(permit); // a job that stopped meanwhile does not submit
            }
            Note::Return(evidence, answer) => {
                let returned = return_permit(attempt, &evidence).await;
                tracing::info!(returned, %evidence, "permit given back");
                if let Some(journey) = journey.as_deref_mut().filter(|_| returned) {
                    journey.returned();
                }
                let _ = answer.send(returned);
            }
        }
    }
}

fn noted(what: &str, answer: store::Result<bool>) {
    if let Err(error) = answer {
        tracing::warn!(what, error = %boot::chain(&error), "not noted");
    }
}

/// Money that was spent is put on record, however often it takes; the ledger takes each call once.
async fn spent(attempt: &Attempt, call: &Call) {
    for _ in 0..TRIES {
        match attempt.usage(call).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(
                error = %boot::chain(&error),
                request.id = call.request_id,
                "usage not recorded yet"
            ),
        }
        sleep(PAUSE).await;
    }
    tracing::error!(?call, "usage not recorded");
}

/// Asking again is harmless: the reply to an earlier question may have been lost. Without an answer the answer is no.
async fn permit(attempt: &Attempt) -> Permit {
    for _ in 0..TRIES {
        match attempt.permit("submit").await {
            Ok(permit) => return permit,
            Err(error) => tracing::warn!(error = %boot::chain(&error), "permit not answered yet"),
        }
        sleep(PAUSE).await;
    }
    Permit::Refused("the database could not be reached".into())
}

/// Repeating it is harmless. Without an answer the permit counts as spent.
async fn return_permit(attempt: &Attempt, evidence: &serde_json::Value) -> bool {
    for _ in 0..RETURNS {
        match attempt.return_permit("submit", evidence).await {
            Ok(returned) => return returned,
            Err(error) => tracing::warn!(error = %boot::chain(&error), "permit not taken back yet"),
        }
        sleep(PAUSE).await;
    }
    false
}
