//! A machine's configuration: what this server acts on, what it only keeps, and what it drops.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

/// The fields of Fly's `MachineConfig` (OpenAPI of 2026-05-07, and `spot` added since). Others are dropped, as Fly does.
const KNOWN: &[&str] = &[
    "auto_destroy",
    "cache_drive",
    "checks",
    "containers",
    "disable_machine_autostart",
    "dns",
    "env",
    "files",
    "guest",
    "image",
    "init",
    "metadata",
    "metrics",
    "mounts",
    "processes",
    "restart",
    "rootfs",
    "schedule",
    "services",
    "size",
    "spot",
    "standbys",
    "statics",
    "stop_config",
];

/// The same for the parts of it that this server acts on.
const KNOWN_INSIDE: &[(&str, &[&str])] = &[
    (
        "dns",
        &[
            "dns_forward_rules",
            "hostname",
            "hostname_fqdn",
            "nameservers",
            "options",
            "searches",
            "skip_registration",
        ],
    ),
    (
        "guest",
        &[
            "cpu_kind",
            "cpus",
            "gpu_kind",
            "gpus",
            "host_dedication_id",
            "kernel_args",
            "max_memory_mb",
            "memory_mb",
            "persist_rootfs",
        ],
    ),
    ("init", &["cmd", "entrypoint", "exec", "kernel_args", "swap_size_mb", "tty"]),
    ("restart", &["gpu_bid_price", "max_retries", "policy"]),
    ("stop_config", &["signal", "timeout"]),
];

/// How long a machine may take to stop when it does not say, and the most it may say.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_STOP_TIMEOUT: Duration = Duration::from_mins(5);

/// How often `on-failure` restarts when the machine does not say.
const RESTARTS: u32 = 10;

/// A machine's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are Fly's")]
pub struct Config {
    pub image: String,
    #[serde(default)]
    pub guest: Guest,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub auto_destroy: bool,
    #[serde(default)]
    pub restart: Restart,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_config: Option<StopConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    #[serde(flatten)]
    pub kept: Map<String, Value>,
}

/// The size of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Guest {
    pub cpu_kind: String,
    pub cpus: u32,
    pub memory_mb: u32,
    #[serde(flatten)]
    pub kept: Map<String, Value>,
}

impl Default for Guest {
    /// What Fly gives to a machine that does not say.
    fn default() -> Self {
        Self { cpu_kind: "shared".to_owned(), cpus: 1, memory_mb: 256, kept: Map::new() }
    }
}

/// Whether a machine that exits runs again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Restart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    #[serde(flatten)]
    pub kept: Map<String, Value>,
}

/// How a machine is stopped.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StopConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Value>,
}

/// What is run in the machine; of it only the arguments count here, the program comes from the image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Init {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
    #[serde(flatten)]
    pub kept: Map<String, Value>,
}

impl Config {
    /// Reads the `config` of a request. Nulls are absent, and fields unknown to Fly are logged and dropped.
    pub fn parse(value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else {
            return Err(
                "json: cannot unmarshal into Go struct field .config of type fly.MachineConfig".to_owned()
            );
        };
        drop_unknown("config", &mut fields, KNOWN);
        for (name, known) in KNOWN_INSIDE {
            if let Some(Value::Object(inside)) = fields.get_mut(*name) {
                drop_unknown(&format!("config.{name}"), inside, known);
            }
        }
        if fields.get("image").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err("invalid_argument: invalid config.image, must not be empty".to_owned());
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| format!("json: {error}"))
    }

    /// The signal and the time that a stop call gives the machine, after what the call itself asks for.
    pub fn stop(&self, signal: Option<&str>, timeout: Option<&Value>) -> Result<(i32, Duration), String> {
        let own = self.stop_config.clone().unwrap_or_default();
        let name = signal.or(own.signal.as_deref()).unwrap_or("SIGINT");
        let number =
            crate::signal::number(name).ok_or_else(|| format!("invalid_argument: invalid signal {name}"))?;
        let timeout = match timeout.or(own.timeout.as_ref()) {
            Some(value) => duration(value).ok_or_else(|| format!("json: invalid duration {value}"))?,
            None => STOP_TIMEOUT,
        };
        Ok((number, timeout.min(LONGEST_STOP_TIMEOUT)))
    }

    /// Whether a machine that ended with `exit_code`, restarted `count` times before, runs again.
    pub fn restarts(&self, exit_code: i32, count: u32) -> bool {
        match self.restart.policy.as_deref() {
            Some("always") => true,
            Some("no") => false,
            _ => exit_code != 0 && count < self.restart.max_retries.unwrap_or(RESTARTS),
        }
    }
}

/// Removes nulls, which mean absent, and names that are not `known`, which are logged.
pub fn drop_unknown(place: &str, fields: &mut Map<String, Value>, known: &[&str]) {
    fields.retain(|name, value| {
        let keep = known.contains(&name.as_str());
        if !keep {
            tracing::warn!(field = %format!("{place}.{name}"), "a field that Fly does not know is ignored");
        }
        keep && !value.is_null()
    });
}

/// A Go duration: `"1m30s"`, or a number of nanoseconds.
fn duration(value: &Value) -> Option<Duration> {
    if let Some(nanos) = value.as_u64() {
        return Some(Duration::from_nanos(nanos));
    }
    let mut rest = value.as_str()?;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end > 0)?;
        let count: u32 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        let unit = match &rest[digits..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return None,
        };
        total += unit * count;
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_duration_is_go_text_or_nanoseconds() {
        assert_eq!(duration(&json!("1m30s")), Some(Duration::from_secs(90)));
        assert_eq!(duration(&json!("250ms")), Some(Duration::from_millis(250)));
        assert_eq!(duration(&json!(2_000_000_000u64)), Some(Duration::from_secs(2)));
        assert_eq!(duration(&json!("soon")), None);
        assert_eq!(duration(&json!("10")), None);
    }

    #[test]
    fn a_stop_takes_the_calls_word_then_the_machines_then_flys() {
        let plain = Config::parse(json!({"image": "i"})).unwrap();
        assert_eq!(plain.stop(None, None), Ok((libc::SIGINT, Duration::from_secs(5))));
        let own = Config::parse(json!({"image": "i", "stop_config": {"signal": "SIGTERM", "timeout": "1h"}}))
            .unwrap();
        assert_eq!(own.stop(None, None), Ok((libc::SIGTERM, Duration::from_mins(5))));
        assert_eq!(
            own.stop(Some("SIGUSR1"), Some(&json!("1s"))),
            Ok((libc::SIGUSR1, Duration::from_secs(1)))
        );
        assert!(own.stop(Some("SIGNOT"), None).is_err());
    }

    #[test]
    fn a_field_that_fly_does_not_know_is_dropped_and_a_known_one_kept() {
        let config =
            Config::parse(json!({"image": "i", "auto_destory": true, "schedule": "daily", "env": null}))
                .unwrap();
        assert!(!config.auto_destroy);
        assert_eq!(config.kept.keys().collect::<Vec<_>>(), ["schedule"]);
    }

    #[test]
    fn an_unset_restart_policy_is_on_failure() {
        let config = Config::parse(json!({"image": "i"})).unwrap();
        assert!(config.restarts(1, 0) && !config.restarts(0, 0) && !config.restarts(1, 10));
        let never = Config::parse(json!({"image": "i", "restart": {"policy": "no"}})).unwrap();
        assert!(!never.restarts(1, 0));
    }
}
