//! What happened to a machine, in Fly's words. Kept oldest first, shown newest first.

use crate::{clock, ids};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One thing that happened to a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub source: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Null for launch and destroy, as on Fly.
    pub request: Option<Value>,
}

/// How a machine's main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the names are Fly's")]
pub struct Exit {
    pub exit_code: i32,
    /// The signal that ended it, or -1.
    pub signal: i32,
    pub oom_killed: bool,
    pub at_ms: i64,
}

impl Exit {
    /// The end of a process that was not our child: nobody can say how it ended, so code and signal are -1.
    pub fn unknown() -> Self {
        Self { exit_code: -1, signal: -1, oom_killed: false, at_ms: clock::now_ms() }
    }
}

/// The end of one run of a machine.
pub struct End {
    pub exit: Exit,
    /// Whether it was asked to stop.
    pub requested_stop: bool,
    /// Whether it runs again.
    pub restarting: bool,
    /// How often it did before.
    pub restart_count: u32,
}

/// The two places where Fly puts an exit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitShape {
    /// `request.exit_event`, with all its fields.
    #[default]
    Usual,
    /// `request.MonitorEvent.exit_event`, with zero fields left out.
    Monitor,
}

impl Event {
    /// `kind` reached `status` now, by `source` (`user` for a call, `flyd` for the platform).
    pub fn new(kind: &str, status: &str, source: &str) -> Self {
        Self {
            id: ids::ulid(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            source: source.to_owned(),
            timestamp: clock::now_ms(),
            request: None,
        }
    }

    /// The main process ended.
    pub fn exit(end: &End, shape: ExitShape) -> Self {
        let mut event = Self::new("exit", "stopped", "flyd");
        let mut detail = json!({
            "exit_code": end.exit.exit_code,
            "exited_at": clock::rfc3339(end.exit.at_ms),
            "guest_exit_code": 0,
            "guest_signal": -1,
            "oom_killed": end.exit.oom_killed,
            "requested_stop": end.requested_stop,
            "restarting": end.restarting,
            "signal": end.exit.signal,
        });
        event.request = Some(match shape {
            ExitShape::Usual => json!({ "exit_event": detail, "restart_count": end.restart_count }),
            ExitShape::Monitor => {
                if let Some(fields) = detail.as_object_mut() {
                    fields.retain(|_, value| *value != json!(0) && *value != json!(false));
                }
                json!({ "MonitorEvent": { "exit_event": detail } })
            }
        });
        event
    }

    /// The event as the API shows it. Launch and destroy carry an explicit `request: null`.
    pub fn view(&self) -> Value {
        json!({
            "id": self.id,
            "type": self.kind,
            "status": self.status,
            "source": self.source,
            "timestamp": self.timestamp,
            "request": self.request,
        })
    }
}
