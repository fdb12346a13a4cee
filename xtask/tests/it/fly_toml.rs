//! fly.toml and fly.runner.toml against the keys that flyctl reads. A typo in a key is silently ignored by Fly.
//!
//! Sources: flyctl's own types, `internal/appconfig/config.go` and `service.go` (superfly/flyctl, 2026), and
//! <https://fly.io/docs/reference/configuration/>.

use toml::{Table, Value};

use crate::read;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Number,
    Flag,
    /// Seconds as a number, or "30s", "5m".
    Time,
    /// `off`, `stop`, `suspend`, or a flag.
    Stop,
    Words,
    /// Names of ours, each with a text.
    Map,
    /// Keys of `KEYS` below this path.
    Table,
    /// The same, several times.
    Tables,
    /// Names of ours, each a table with the keys below `path.*`.
    Named,
}

/// Every key flyctl reads that we might ever use.
const KEYS: &[(&str, Kind)] = &[
    ("app", Kind::Text),
    ("primary_region", Kind::Text),
    ("kill_signal", Kind::Text),
    ("kill_timeout", Kind::Time),
    ("swap_size_mb", Kind::Number),
    ("console_command", Kind::Text),
    ("host_dedication_id", Kind::Text),
    ("build", Kind::Table),
    ("build.image", Kind::Text),
    ("build.dockerfile", Kind::Text),
    ("build.ignorefile", Kind::Text),
    ("build.build-target", Kind::Text),
    ("build.args", Kind::Map),
    ("deploy", Kind::Table),
    ("deploy.strategy", Kind::Text),
    ("deploy.max_unavailable", Kind::Number),
    ("deploy.wait_timeout", Kind::Time),
    ("deploy.release_command", Kind::Text),
    ("deploy.release_command_timeout", Kind::Time),
    ("deploy.seed_command", Kind::Text),
    ("env", Kind::Map),
    ("processes", Kind::Map),
    ("http_service", Kind::Table),
    ("http_service.internal_port", Kind::Number),
    ("http_service.force_https", Kind::Flag),
    ("http_service.auto_stop_machines", Kind::Stop),
    ("http_service.auto_start_machines", Kind::Flag),
    ("http_service.min_machines_running", Kind::Number),
    ("http_service.processes", Kind::Words),
    ("http_service.concurrency", Kind::Table),
    ("http_service.concurrency.type", Kind::Text),
    ("http_service.concurrency.soft_limit", Kind::Number),
    ("http_service.concurrency.hard_limit", Kind::Number),
    ("http_service.checks", Kind::Tables),
    ("http_service.checks.interval", Kind::Time),
    ("http_service.checks.timeout", Kind::Time),
    ("http_service.checks.grace_period", Kind::Time),
    ("http_service.checks.method", Kind::Text),
    ("http_service.checks.path", Kind::Text),
    ("http_service.checks.protocol", Kind::Text),
    ("http_service.checks.tls_skip_verify", Kind::Flag),
    ("http_service.checks.tls_server_name", Kind::Text),
    ("http_service.checks.headers", Kind::Map),
    ("checks", Kind::Named),
    ("checks.*.port", Kind::Number),
    ("checks.*.type", Kind::Text),
    ("checks.*.interval", Kind::Time),
    ("checks.*.timeout", Kind::Time),
    ("checks.*.grace_period", Kind::Time),
    ("checks.*.method", Kind::Text),
    ("checks.*.path", Kind::Text),
    ("checks.*.protocol", Kind::Text),
    ("checks.*.tls_skip_verify", Kind::Flag),
    ("checks.*.tls_server_name", Kind::Text),
    ("checks.*.headers", Kind::Map),
    ("checks.*.processes", Kind::Words),
    ("restart", Kind::Tables),
    ("restart.policy", Kind::Text),
    ("restart.retries", Kind::Number),
    ("restart.processes", Kind::Words),
    ("metrics", Kind::Tables),
    ("metrics.port", Kind::Number),
    ("metrics.path", Kind::Text),
    ("metrics.processes", Kind::Words),
    ("vm", Kind::Tables),
    ("vm.size", Kind::Text),
    ("vm.memory", Kind::Text),
    ("vm.cpu_kind", Kind::Text),
    ("vm.cpus", Kind::Number),
    ("vm.memory_mb", Kind::Number),
    ("vm.processes", Kind::Words),
];

/// Words that a key is limited to.
const CHOICES: &[(&str, &[&str])] = &[
    ("kill_signal", &["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGSTOP"]),
    ("deploy.strategy", &["rolling", "immediate", "canary", "bluegreen"]),
    ("http_service.concurrency.type", &["connections", "requests"]),
    ("checks.*.type", &["http", "tcp"]),
    ("restart.policy", &["always", "never", "on-failure"]),
];

/// Everything that is wrong with a configuration.
fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    match text.parse::<Table>() {
        Ok(table) => walk("", &table, &mut faults),
        Err(error) => faults.push(error.to_string()),
    }
    faults
}

fn walk(path: &str, table: &Table, faults: &mut Vec<String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == path) else {
            faults.push(format!("{path}: no such key"));
            continue;
        };
        let tables = |value: &Value| value.as_array().map(|list| list.iter().all(Value::is_table));
        let fits = match kind {
            Kind::Text => value.is_str(),
            Kind::Number => value.is_integer(),
            Kind::Flag => value.is_bool(),
            Kind::Time => value.is_integer() || value.as_str().is_some_and(|text| seconds(text).is_some()),
            Kind::Stop => value.is_bool() || matches!(value.as_str(), Some("off" | "stop" | "suspend")),
            Kind::Words => value.as_array().is_some_and(|list| list.iter().all(Value::is_str)),
            Kind::Map => value.as_table().is_some_and(|table| table.values().all(Value::is_str)),
            Kind::Table | Kind::Named => value.is_table(),
            Kind::Tables => tables(value) == Some(true),
        };
        if !fits {
            faults.push(format!("{path}: {kind:?} is wanted, not {value}"));
            continue;
        }
        if let Some((_, allowed)) = CHOICES.iter().find(|(known, _)| *known == path)
            && !value.as_str().is_some_and(|word| allowed.contains(&word))
        {
            faults.push(format!("{path}: {value} is none of {allowed:?}"));
        }
        match (kind, value) {
            (Kind::Table, Value::Table(table)) => walk(&path, table, faults),
            (Kind::Named, Value::Table(table)) => {
                for inner in table.values().filter_map(Value::as_table) {
                    walk(&format!("{path}.*"), inner, faults);
                }
            }
            (Kind::Tables, Value::Array(list)) => {
                for inner in list.iter().filter_map(Value::as_table) {
                    walk(&path, inner, faults);
                }
            }
            _ => {}
        }
    }
}

/// "30s" or "5m" in seconds.
fn seconds(text: &str) -> Option<u64> {
    let number = |tail: char| text.strip_suffix(tail)?.parse::<u64>().ok();
    number('s').or_else(|| Some(number('m')? * 60))
}

fn table(file: &str) -> Table {
    read(file).parse().expect("TOML")
}

/// The words of every list called `processes`, wherever it is.
fn groups(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                if let (true, Some(list)) = (key == "processes", value.as_array()) {
                    found.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                groups(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| groups(value, found)),
        _ => {}
    }
}

#[test]
fn both_files_have_only_keys_that_fly_knows() {
    for file in ["fly.toml", "fly.runner.toml"] {
        assert_eq!(faults(&read(file)), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn a_typo_a_wrong_type_and_a_wrong_word_are_refused() {
    for (text, fault) in [
        ("kill_timout = 30", "kill_timout: no such key"),
        ("kill_timeout = \"soon\"", "kill_timeout: Time"),
        ("[http_service]\ninternal_port = \"3100\"", "http_service.internal_port: Number"),
        ("[[http_service.checks]]\npth = \"/\"", "http_service.checks.pth: no such key"),
        ("[checks.alive]\ntype = \"https\"", "is none of"),
        ("[http_service]\nauto_stop_machines = \"sleep\"", "auto_stop_machines: Stop"),
        ("[env]\nGH_API_PORT = 3100", "env: Map"),
    ] {
        let found = faults(text);
        assert!(found.iter().any(|found| found.contains(fault)), "{text}: {found:?}");
    }
}

#[test]
fn every_process_group_exists_and_its_program_is_in_the_image() {
    let fly = table("fly.toml");
    let defined = fly["processes"].as_table().expect("process groups").clone();
    let mut used = Vec::new();
    groups(&Value::Table(fly.clone()), &mut used);
    assert!(!used.is_empty());
    for group in &used {
        assert!(defined.contains_key(group), "there is no process group {group}");
    }
    let image = read("Dockerfile.api");
    let release = fly["deploy"]["release_command"].clone();
    for command in defined.values().chain([&release]).filter_map(Value::as_str) {
        let program = command.split(' ').next().and_then(|word| word.strip_prefix("/usr/local/bin/"));
        let program = program.unwrap_or_else(|| panic!("{command}: Fly's init wants the whole path"));
        assert!(image.contains(&format!("target/release/{program}")), "{program} is not in the image");
    }
}

#[test]
fn the_api_is_asked_on_its_own_port_and_drains_before_it_is_killed() {
    let fly = table("fly.toml");
    let service = &fly["http_service"];
    assert_eq!(service["internal_port"].as_integer(), Some(3100));
    assert_eq!(fly["env"]["GH_API_PORT"].as_str(), Some("3100"));
    assert_eq!(service["force_https"].as_bool(), Some(true));
    assert_eq!(service["checks"][0]["path"].as_str(), Some("/health"));
    assert_eq!(fly["metrics"][0]["path"].as_str(), Some("/monitoring/metrics"));
    let dispatcher = fly["checks"]["dispatcher"]["port"].as_integer().map(|port| port.to_string());
    assert_eq!(fly["env"]["GH_DISPATCHER_PORT"].as_str(), dispatcher.as_deref());
    // A create call may take 20 s to be answered (dispatcher/src/serve.rs), and Fly kills after 300 s at most.
    let patience = fly["kill_timeout"].as_str().and_then(seconds).expect("a time");
    assert!((25..=300).contains(&patience));
    assert_eq!(fly["kill_signal"].as_str(), Some("SIGTERM"), "Fly's default is SIGINT");
}

#[test]
fn no_secret_stands_in_a_file_and_no_image_is_named_by_tag() {
    let secret = ["SECRET", "PASSWORD", "TOKEN", "KEY", "DATABASE_URL", "DIRECT_URL"];
    for file in ["fly.toml", "fly.runner.toml"] {
        let table = table(file);
        for name in table.get("env").and_then(Value::as_table).into_iter().flat_map(Table::keys) {
            assert!(!secret.iter().any(|word| name.contains(word)), "{file} has {name} in [env]");
        }
        assert!(!read(file).contains(":latest"), "{file}");
    }
    let runner = table("fly.runner.toml");
    for key in ["http_service", "services", "processes", "env", "vm", "mounts"] {
        assert!(!runner.contains_key(key), "fly.runner.toml has [{key}], and nothing is deployed with it");
    }
}
