//! compose.yaml as Docker's own client reads it. The client needs no engine for that.

use std::process::Command;

use serde_json::Value;

/// The words that read a compose file here: the client's plugin, else the older program of its own.
fn compose() -> Command {
    let plugin = Command::new("docker").args(["compose", "version"]).output();
    if plugin.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("docker");
        command.arg("compose");
        return command;
    }
    Command::new(crate::program("docker-compose"))
}

/// What it understands of a file, as YAML.
fn config(file: &str) -> Result<String, String> {
    let mut command = compose();
    // Nothing of this computer's environment may fill a hole.
    command.args(["--file", file, "--project-name", "ghosthands", "config"]).current_dir(xtask::workspace());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/tmp");
    let output = command.output().expect("docker-compose runs");
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Ok(said) } else { Err(complained) }
}

#[test]
fn docker_compose_understands_the_file() {
    let said = config("compose.yaml").expect("a valid file");
    for service in ["postgres", "migrate", "api", "dispatcher", "fly", "site"] {
        assert!(said.contains(&format!("\n  {service}:\n")), "{service} is missing:\n{said}");
    }
}

#[test]
fn docker_compose_would_refuse_an_unknown_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("compose.yaml");
    let text = crate::read("compose.yaml").replacen("depends_on:", "depends_upon:", 1);
    std::fs::write(&path, text).expect("written");
    let complaint = config(path.to_str().expect("a path")).expect_err("depends_upon is no key");
    assert!(complaint.contains("depends_upon"), "{complaint}");
}

#[test]
fn doors_are_open_to_this_computer_only() {
    let text = crate::read("compose.yaml");
    let doors: Vec<&str> = text.lines().filter(|line| line.contains("ports: [")).collect();
    assert!(!doors.is_empty());
    for door in doors {
        let list = door.split_once("ports: ").map_or("[]", |(_, list)| list);
        let list: Value = serde_json::from_str(list).unwrap_or_else(|error| panic!("{door}: {error}"));
        assert!(
            list.as_array()
                .expect("a list")
                .iter()
                .all(|port| port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:"))),
            "{door}"
        );
    }
}
