//! What can be asked of a machine, and what comes of it when nothing went wrong.

use crate::{config::go_duration, machine::State};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which machines to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListMachines {
    /// Only those with all these words of metadata.
    pub metadata: Vec<(String, String)>,
    /// Only those in one of these states; all when empty.
    pub states: Vec<State>,
    /// Only those of this region.
    pub region: Option<String>,
    /// Whether destroyed ones are listed too.
    pub scope: Scope,
    /// Whether config, events and host status are left out.
    pub summary: bool,
}

/// Whether destroyed machines are listed too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// They are not.
    #[default]
    Live,
    /// They are, as long as Fly remembers them.
    IncludingDeleted,
}

impl ListMachines {
    /// The living machines with this word of metadata.
    pub fn with_metadata(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { metadata: vec![(key.into(), value.into())], ..Self::default() }
    }
}

/// What to wait for. Fly waits 1 to 60 s; anything else is brought into that range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitFor {
    /// Any of these states. With `auto_destroy`, `stopped` may never be seen: wait for `destroyed`.
    pub states: Vec<State>,
    /// How long.
    pub timeout: Duration,
}

/// What came of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The machine is, or was, in this state.
    Reached(State),
    /// The time is up; where the machine is, if Fly said so.
    NotYet {
        /// Its state now.
        current: Option<State>,
    },
    /// There is no such machine, or it is gone and will not come into the state. Right after a create it may also
    /// mean that the machine is not known everywhere yet: read it before believing it.
    Gone,
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It is starting.
    Accepted {
        /// Whether it had to move to another host first.
        migrated: bool,
    },
    /// It runs already, or is about to: somebody else started it.
    Already,
    /// It cannot start from where it is now (`created`: not prepared yet), as Fly's text says.
    NotNow(String),
    /// There is no such machine.
    Gone,
}

/// How to stop; the machine's own way where absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// The signal, as `SIGTERM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How long until it is killed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "opt_go_duration")]
    pub timeout: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
fn opt_go_duration<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => go_duration(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// What came of a stop. Fly answers before the machine has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It was told, or had stopped already.
    Accepted,
    /// It does not run.
    NotRunning,
    /// There is no such machine.
    Gone,
}

/// How to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// Only if it does not run.
    IfIdle,
    /// Whatever it does; it gets no time to finish.
    Force,
}

/// What came of a destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// Fly has accepted it. On an unreachable host it happens when the host returns.
    Accepted,
    /// It runs, and force was not asked for.
    StillRunning,
    /// There is no such machine.
    Gone,
}

/// The body of a start's answer.
#[derive(Deserialize)]
pub(crate) struct StartBody {
    #[serde(default)]
    pub(crate) migrated: bool,
}

/// The body of a wait's answer.
#[derive(Deserialize)]
pub(crate) struct WaitBody {
    pub(crate) state: Option<State>,
}
