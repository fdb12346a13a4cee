//! A fault on its way through one call: before the work, and after it.

use crate::{
    faults::Fault,
    reply::{Refusal, Reply},
};
use std::time::Duration;

/// What the script does to one call.
pub struct Strike(Option<Fault>);

impl Strike {
    pub fn new(fault: Option<Fault>) -> Self {
        Self(fault)
    }

    /// The fault, for the call that knows what to do with it.
    pub fn fault(&self) -> Option<&Fault> {
        self.0.as_ref()
    }

    /// Whether it is `fault`.
    pub fn is(&self, fault: &Fault) -> bool {
        self.0.as_ref() == Some(fault)
    }

    /// Fails the call before anything is done.
    pub fn before(&self) -> Result<(), Refusal> {
        match &self.0 {
            Some(Fault::ResetBeforeCommit) => Err(Refusal::Reset),
            Some(Fault::Status { code, body }) => Err(Refusal::Scripted { code: *code, body: body.clone() }),
            _ => Ok(()),
        }
    }

    /// Fails the call, or makes it late, now that the work is done.
    pub async fn after(&self, reply: Reply) -> Result<Reply, Refusal> {
        match &self.0 {
            Some(Fault::CommitThen408) => {
                Err(Refusal::error(408, "deadline_exceeded: context deadline exceeded".to_owned()))
            }
            Some(Fault::ResetAfterCommit) => Err(Refusal::Reset),
            Some(Fault::DelayAfterCommit { ms }) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                Ok(reply)
            }
            _ => Ok(reply),
        }
    }
}
