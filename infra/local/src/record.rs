//! A machine as this server remembers it, and as the API shows it.

use crate::{
    bill::Interval,
    clock,
    config::Config,
    events::{Event, ExitShape},
    ids,
    lease::Lease,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Where a machine is in its life.
///
/// ```text
/// created ──▶ started ──▶ (exit) ──▶ stopped ──▶ destroying ──▶ destroyed
///    │           ▲                     │  ▲
///    └ skip_launch: stopped ──▶ starting  └── without auto_destroy
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Created,
    Starting,
    Started,
    Stopping,
    Stopped,
    Failed,
    LaunchFailed,
    Destroying,
    Destroyed,
}

impl State {
    /// Fly's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::LaunchFailed => "launch_failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
        }
    }

    /// Whether a wait for `asked` ends here; `settled` is any state that lasts.
    pub fn satisfies(self, asked: &str) -> bool {
        let lasts = matches!(self, Self::Started | Self::Stopped | Self::Failed | Self::Destroyed);
        asked == self.word() || (asked == "settled" && lasts)
    }
}

/// The process of a machine that runs; without a pid it only pretends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: Option<u32>,
    /// When the kernel started it, in its own ticks: with the pid, an identity that is never reused.
    pub born: u64,
}

/// What the fault script did to this machine for good.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    pub never_boots: bool,
    pub launch_fails: bool,
    pub unreachable: bool,
    pub exit_shape: ExitShape,
    pub oom_after_ms: Option<u64>,
}

/// A machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, none of them a state")]
pub struct Record {
    pub id: String,
    pub app: String,
    pub name: String,
    pub region: String,
    pub state: State,
    pub instance_id: String,
    pub private_ip: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub config: Config,
    /// Whether app secrets stay out of its environment.
    pub skip_secrets: bool,
    /// Whether it was prepared and not started.
    pub skip_launch: bool,
    /// Oldest first.
    pub events: Vec<Event>,
    /// The times it ran, oldest first.
    pub intervals: Vec<Interval>,
    pub process: Option<Process>,
    /// Whether its present run was asked to end.
    pub requested_stop: bool,
    /// Whether it goes away as soon as it has ended.
    pub destroy_requested: bool,
    pub restarts: u32,
    pub lease: Option<Lease>,
    pub marks: Marks,
}

impl Record {
    /// A machine just created.
    pub fn new(app: &str, name: Option<String>, region: String, config: Config) -> Self {
        let (id, now) = (ids::machine(), clock::now_ms());
        Self {
            name: name.unwrap_or_else(|| format!("machine-{id}")),
            id,
            app: app.to_owned(),
            region,
            state: State::Created,
            instance_id: ids::ulid(),
            private_ip: ids::private_ip(),
            created_ms: now,
            updated_ms: now,
            config,
            skip_secrets: false,
            skip_launch: false,
            events: vec![Event::new("launch", "created", "user")],
            intervals: Vec::new(),
            process: None,
            requested_stop: false,
            destroy_requested: false,
            restarts: 0,
            lease: None,
            marks: Marks::default(),
        }
    }

    /// Whether its name is taken and the default list shows it.
    pub fn is_live(&self) -> bool {
        self.state != State::Destroyed
    }

    /// Its newest events first, at most `limit`.
    pub fn newest_events(&self, limit: usize) -> Vec<Value> {
        self.events.iter().rev().take(limit).map(Event::view).collect()
    }

    /// The machine as the API shows it.
    pub fn view(&self) -> Value {
        self.view_on(self.marks.unreachable)
    }

    /// The machine as the API shows it when its host is unreachable: without its configuration.
    pub fn view_unreachable(&self) -> Value {
        self.view_on(true)
    }

    fn view_on(&self, unreachable: bool) -> Value {
        let mut fields = self.outline();
        let config = json!(self.config);
        if unreachable {
            fields.insert("host_status".to_owned(), json!("unreachable"));
            fields.insert("incomplete_config".to_owned(), config);
        } else {
            fields.insert("host_status".to_owned(), json!("ok"));
            fields.insert("config".to_owned(), config);
        }
        fields.insert("events".to_owned(), json!(self.newest_events(usize::MAX)));
        fields.insert("checks".to_owned(), json!([]));
        Value::Object(fields)
    }

    /// The machine in a list with `summary=true`: no config, events, checks or host status.
    pub fn outline(&self) -> Map<String, Value> {
        let fields = json!({
            "id": self.id,
            "name": self.name,
            "state": self.state.word(),
            "region": self.region,
            "instance_id": self.instance_id,
            "private_ip": self.private_ip,
            "created_at": clock::rfc3339(self.created_ms),
            "updated_at": clock::rfc3339(self.updated_ms),
            "image_ref": image_ref(&self.config.image),
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

/// An image reference in its parts.
fn image_ref(image: &str) -> Value {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let (registry, path) = match rest.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("registry-1.docker.io", rest),
    };
    let (repository, tag) = path.rsplit_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
    let mut fields = json!({ "registry": registry, "repository": repository, "labels": null });
    if let Some(tag) = tag {
        fields["tag"] = json!(tag);
    }
    fields["digest"] = json!(digest.map_or_else(|| pretend_digest(image), str::to_owned));
    fields
}

/// A digest for an image named by tag: always the same for the same name, and of no meaning otherwise.
fn pretend_digest(image: &str) -> String {
    let word = image.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!(
        "sha256:{:016x}{:016x}{:016x}{:016x}",
        word,
        word.rotate_left(16),
        word.rotate_left(32),
        word.rotate_left(48)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reference_comes_apart() {
        let pinned = image_ref("registry.fly.io/runner@sha256:abc");
        assert_eq!(
            (pinned["registry"].as_str(), pinned["repository"].as_str()),
            (Some("registry.fly.io"), Some("runner"))
        );
        assert_eq!(pinned["digest"], "sha256:abc");
        let tagged = image_ref("library/ubuntu:22.04");
        assert_eq!(
            (tagged["registry"].as_str(), tagged["tag"].as_str()),
            (Some("registry-1.docker.io"), Some("22.04"))
        );
        assert_eq!(tagged["digest"], image_ref("library/ubuntu:22.04")["digest"]);
    }
}
