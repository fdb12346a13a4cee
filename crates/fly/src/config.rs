//! What a machine is made of.

use crate::lenient;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, time::Duration};

/// A machine to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateMachine {
    /// Its name, unique among the living machines of the app: what makes a repeated create harmless.
    pub name: String,
    /// One region, or several in order of preference, as `ams,fra`; Fly's choice when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What it is made of.
    pub config: MachineConfig,
    /// Whether it is only prepared (`stopped`), to be started later.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_launch: bool,
}

impl CreateMachine {
    /// The machine `name` running `image`, all else as Fly has it.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        let config = MachineConfig { image: image.into(), ..MachineConfig::default() };
        Self { name: name.into(), region: None, config, skip_launch: false }
    }
}

/// What a machine is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineConfig {
    /// Image reference, best by digest.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub image: String,
    /// Its size.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// Environment, readable by all who may read the machine.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Whether it is destroyed once its main process has ended.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub auto_destroy: bool,
    /// Whether it runs again after that; Fly restarts on failure when absent.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How it is asked to stop.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub stop_config: Option<StopConfig>,
    /// What it runs instead of the image's own command.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Its place in `.internal`.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
}

/// The size of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// `shared` or `performance`.
    pub cpu_kind: String,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB, a multiple of 256.
    pub memory_mb: u32,
}

/// Whether a machine runs again after its main process has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When.
    pub policy: RestartPolicy,
}

/// When a machine runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// After a failure.
    OnFailure,
    /// After any end; then `auto_destroy` never happens.
    Always,
    /// A policy this client does not set.
    #[serde(other)]
    Other,
}

/// How a machine is asked to stop before it is killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopConfig {
    /// The signal its main process gets, as `SIGTERM`.
    pub signal: String,
    /// How long it then has; Fly allows 300 s.
    #[serde(serialize_with = "go_duration", deserialize_with = "from_go_duration")]
    pub timeout: Duration,
}

/// What a machine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// Program and arguments, in place of the image's entry point and command.
    #[serde(default, deserialize_with = "lenient::or_default", skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
}

/// A machine's place in the private DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Keeps it out.
    #[serde(default)]
    pub skip_registration: bool,
}

/// Writes a duration as Go does, to the millisecond: `"30000ms"`, or `"30s"` when whole.
pub fn go_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let text = if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    };
    serializer.serialize_str(&text)
}

/// Reads the forms this client writes, and nanoseconds, which older answers have.
fn from_go_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Nanos(u64),
        Text(String),
    }
    let unreadable = || serde::de::Error::custom("a duration of unknown form");
    match Form::deserialize(deserializer)? {
        Form::Nanos(nanos) => Ok(Duration::from_nanos(nanos)),
        Form::Text(text) => go_text(&text).ok_or_else(unreadable),
    }
}

/// `"1m30s"`, as Go writes durations.
fn go_text(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let unit_at = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let unit_end = rest[unit_at..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |end| unit_at + end);
        let unit = match &rest[unit_at..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return None,
        };
        total += unit.checked_mul(rest[..unit_at].parse().ok()?)?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_machine_is_written_as_fly_reads_it() {
        let mut machine = CreateMachine::new("gh-1", "img@sha256:1");
        machine.region = Some("ams,fra".to_owned());
        machine.config.guest = Some(Guest { cpu_kind: "shared".to_owned(), cpus: 2, memory_mb: 2048 });
        machine.config.metadata.insert("gh_env".to_owned(), "test".to_owned());
        machine.config.auto_destroy = true;
        machine.config.restart = Some(Restart { policy: RestartPolicy::No });
        machine.config.stop_config =
            Some(StopConfig { signal: "SIGTERM".to_owned(), timeout: Duration::from_secs(30) });
        machine.config.dns = Some(Dns { skip_registration: true });
        let expected = json!({
            "name": "gh-1", "region": "ams,fra",
            "config": {
                "image": "img@sha256:1",
                "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 2048},
                "metadata": {"gh_env": "test"},
                "auto_destroy": true, "restart": {"policy": "no"},
                "stop_config": {"signal": "SIGTERM", "timeout": "30s"},
                "dns": {"skip_registration": true},
            },
        });
        assert_eq!(serde_json::to_value(&machine).unwrap(), expected);
    }

    #[test]
    fn a_config_with_fields_of_other_shapes_is_still_read() {
        let odd = json!({
            "image": "i", "env": null, "guest": {"cpu_kind": 7}, "restart": {"policy": "spot-price"},
            "stop_config": {"signal": "SIGINT", "timeout": 5_000_000_000_u64}, "services": [], "init": {},
        });
        let config: MachineConfig = serde_json::from_value(odd).unwrap();
        assert_eq!((config.image.as_str(), config.guest), ("i", None));
        assert_eq!(config.restart, Some(Restart { policy: RestartPolicy::Other }));
        assert_eq!(config.stop_config.unwrap().timeout, Duration::from_secs(5));
    }

    #[test]
    fn durations_are_read_in_gos_forms() {
        assert_eq!(go_text("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(go_text("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(go_text("soon"), None);
    }
}
