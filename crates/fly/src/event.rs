//! What happened to a machine.

use crate::lenient;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// One thing that happened to a machine. Lists of them are newest first.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Event {
    /// A ULID.
    #[serde(deserialize_with = "lenient::or_default")]
    pub id: String,
    /// What: `launch`, `start`, `exit`, `stop`, `destroy`, …
    #[serde(rename = "type", deserialize_with = "lenient::or_default")]
    pub kind: String,
    /// The state it led to.
    #[serde(deserialize_with = "lenient::or_default")]
    pub status: String,
    /// By whom: `user`, `flyd` or `proxy`.
    #[serde(deserialize_with = "lenient::or_default")]
    pub source: String,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::or_default")]
    pub timestamp: i64,
    /// Details; null for launch and destroy.
    #[serde(deserialize_with = "lenient::or_default")]
    pub request: Option<Value>,
}

/// How a machine's main process ended. Fly leaves zero fields out, so what is missing is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// When.
    pub at: DateTime<Utc>,
    /// Its exit code; -1 when nobody knows.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the guest ran out of memory.
    pub oom_killed: bool,
    /// Whether it was asked to stop.
    pub requested_stop: bool,
    /// Whether its restart policy runs it again.
    pub restarting: bool,
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.timestamp).unwrap_or_default()
    }

    /// The exit it tells of, from either place where Fly puts it.
    pub fn exit(&self) -> Option<Exit> {
        let request = self.request.as_ref()?;
        let inner = request.get("MonitorEvent").and_then(|monitor| monitor.get("exit_event"));
        let exit = inner.or_else(|| request.get("exit_event")).filter(|exit| exit.is_object())?;
        let number =
            |name: &str| exit.get(name).and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok());
        let flag = |name: &str| exit.get(name).and_then(Value::as_bool).unwrap_or(false);
        Some(Exit {
            at: exit.get("exited_at").and_then(moment).unwrap_or_else(|| self.at()),
            code: number("exit_code").unwrap_or(0),
            signal: number("signal").filter(|signal| *signal > 0),
            oom_killed: flag("oom_killed"),
            requested_stop: flag("requested_stop"),
            restarting: flag("restarting"),
        })
    }
}

/// A time as RFC 3339 text or as milliseconds since 1970: Fly has sent both.
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Number(ms) => DateTime::from_timestamp_millis(ms.as_i64()?),
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exit(request: &Value) -> Option<Exit> {
        let event = json!({"type": "exit", "status": "stopped", "timestamp": 1_653_047_898_717_i64, "request": request});
        serde_json::from_value::<Event>(event).unwrap().exit()
    }

    #[test]
    fn both_shapes_of_an_exit_and_both_shapes_of_its_time_are_read() {
        let plain = exit(&json!({"exit_event": {
            "exit_code": 127, "exited_at": "2022-05-20T11:58:17.299Z", "signal": -1, "requested_stop": true,
        }}))
        .unwrap();
        assert_eq!((plain.code, plain.signal, plain.requested_stop), (127, None, true));
        let monitored = exit(&json!({
            "MonitorEvent": {"exit_event": {"exit_code": 137, "exited_at": 1_653_047_897_299_i64, "oom_killed": true}},
            "exit_event": {"exit_code": 1},
        }))
        .unwrap();
        assert_eq!((monitored.code, monitored.oom_killed), (137, true));
        assert_eq!(monitored.at, plain.at);
    }

    #[test]
    fn what_an_exit_leaves_out_is_zero_and_its_time_is_the_events() {
        let bare = exit(&json!({"exit_event": {}})).unwrap();
        assert_eq!((bare.code, bare.signal, bare.oom_killed, bare.requested_stop), (0, None, false, false));
        assert_eq!(bare.at.timestamp_millis(), 1_653_047_898_717);
    }

    #[test]
    fn an_event_without_exit_tells_of_none() {
        assert_eq!(exit(&Value::Null), None);
        assert_eq!(exit(&json!({"exit_event": null})), None);
        assert_eq!(exit(&json!({"restart_count": 0})), None);
    }
}
