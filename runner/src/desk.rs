//! What a running job asks of others: a person's help, and the manual of a form. Whoever keeps the job's row answers.
//!
//! The notes of [`crate::note`] tell; these requests wait for an answer. A job without a desk goes on without.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use store::runner::{Attempt, Pause, Resolution};
use tokio::sync::{mpsc, oneshot};

use crate::manual::{Found, Manual, Run};

/// How often a waiting job looks for its answer.
const LOOK: Duration = Duration::from_secs(2);
/// How often an unanswered call is made again, and how long between two.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// A request.
#[derive(Debug)]
pub enum Request {
    /// The job waits for a person. The clock of the job stands still meanwhile.
    Help(Value, oneshot::Sender<Help>),
    /// The manual of the form on this page.
    Find(Found, oneshot::Sender<Option<Manual>>),
    /// How a run of a form went; with the manual it makes, where it makes one.
    Ran(Run),
}

/// What a person did.
#[derive(Debug)]
pub enum Help {
    /// Something: look at the page again.
    Done {
        /// `manual`, `code_entry`, `credentials` or `skip`.
        kind: String,
        /// A code for the page, never to be logged.
        code: Option<SecretString>,
        /// A user name and a password for the page, never to be logged.
        login: Option<(SecretString, SecretString)>,
        /// How long the job may work from now on; none: as long as before.
        remaining: Option<Duration>,
    },
    /// Nothing, in the time there was, or nobody can be asked.
    Nobody,
}

/// The job's side of the desk.
#[derive(Clone, Debug, Default)]
pub struct Desk(Option<mpsc::Sender<Request>>);

impl Desk {
    /// A desk whose requests come out at the other end of the channel.
    pub const fn new(requests: mpsc::Sender<Request>) -> Self {
        Self(Some(requests))
    }

    /// Waits for a person to act on what stands in the way.
    pub async fn help(&self, interaction: Value) -> Help {
        self.ask(|answer| Request::Help(interaction, answer)).await.unwrap_or(Help::Nobody)
    }

    /// The manual of a form.
    pub async fn find(&self, form: Found) -> Option<Manual> {
        self.ask(|answer| Request::Find(form, answer)).await.flatten()
    }

    /// Puts down how a run went.
    pub async fn ran(&self, run: Run) {
        if let Some(requests) = &self.0 {
            let _ = requests.send(Request::Ran(run)).await;
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.0.as_ref()?.send(request(answer)).await.ok()?;
        answered.await.ok()
    }
}

/// Answers a job's requests from the database, until the job has no more.
pub async fn serve(attempt: &Attempt, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        match request {
            Request::Help(interaction, mut answer) => {
                // A job that was stopped while it waits asks no more.
                let help = tokio::select! {
                    help = wait(attempt, &interaction) => help,
                    () = answer.closed() => continue,
                };
                let _ = answer.send(help);
            }
            Request::Find(form, answer) => {
                let found = attempt.find_manual(form.key(), form.task()).await;
                let manual = found.unwrap_or_else(|error| {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no manual looked up");
                    None
                });
                let _ = answer.send(manual.and_then(|(id, health, steps)| Manual::read(id, health, steps)));
            }
            Request::Ran(run) => record(attempt, &run).await,
        }
    }
}

async fn record(attempt: &Attempt, run: &Run) {
    for _ in 0..TRIES {
        match attempt.record_manual(&run.value()).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "manual not recorded yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits for a person as long as the database says.
async fn wait(attempt: &Attempt, interaction: &Value) -> Help {
    let Some(patience) = begin(attempt, interaction).await else { return Help::Nobody };
    let until = tokio::time::Instant::now() + patience + LOOK;
    while tokio::time::Instant::now() < until {
        match attempt.resolution().await {
            Ok(Resolution::Waiting) => {}
            Ok(Resolution::Stop(reason)) => {
                tracing::info!(reason, "nobody is waited for any more");
                return Help::Nobody;
            }
            Ok(Resolution::Answered(answer)) => {
                let data = answer.data.as_ref().map(|secret| &secret.0);
                let text = |names: &[&str]| -> Option<SecretString> {
                    let found = names.iter().find_map(|name| data?[*name].as_str());
                    found.filter(|it| !it.is_empty()).map(Into::into)
                };
                return Help::Done {
                    code: text(&["code"]),
                    login: text(&["username", "email"]).zip(text(&["password"])),
                    remaining: answer.remaining,
                    kind: answer.kind,
                };
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "no answer yet"),
        }
        tokio::time::sleep(LOOK).await;
    }
    Help::Nobody
}

async fn begin(attempt: &Attempt, interaction: &Value) -> Option<Duration> {
    for _ in 0..TRIES {
        match attempt.pause(interaction).await {
            Ok(Pause::Waiting { patience, .. }) => return Some(patience),
            Ok(Pause::Stop(reason)) => {
                tracing::info!(reason, "the job may not wait");
                return None;
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "not paused yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}
