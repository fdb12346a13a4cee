//! `.env.example` and the tables of docs/DEPLOY.md have every variable the processes read, and none they do not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::read;

/// Which file reads variables how.
enum Reading {
    /// The fields of a struct, through envy, with a prefix.
    Fields(&'static str, &'static str),
    /// Names in calls such as `lookup("NAME")`.
    Calls,
}

/// Where each process reads its environment: the process, the file or folder, how.
const SOURCES: &[(&str, &str, Reading)] = &[
    ("api", "api/src/config.rs", Reading::Fields("Config", "")),
    ("dispatcher", "dispatcher/src/config.rs", Reading::Fields("Database", "")),
    ("dispatcher", "dispatcher/src/config.rs", Reading::Fields("Fly", "")),
    ("dispatcher", "dispatcher/src/config.rs", Reading::Fields("Own", "GH_")),
    ("dispatcher", "dispatcher/src/commands/settings.rs", Reading::Fields("Database", "")),
    ("dispatcher", "dispatcher/src/commands/settings.rs", Reading::Fields("Own", "GH_")),
    ("runner", "runner/src/attempt/environment.rs", Reading::Fields("Variables", "")),
    ("runner", "runner/src", Reading::Calls),
    ("runner", "crates/llm/src", Reading::Calls),
    ("all", "crates/boot/src", Reading::Calls),
];

/// Read by the operating system's own rules, not ours to document.
const FOREIGN: [&str; 1] = ["PATH"];
/// Given to every process by a library.
const LIBRARY: [&str; 1] = ["RUST_LOG"];

/// Every variable, with the processes that read it.
fn variables() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut found: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for (process, path, reading) in SOURCES {
        let names = match reading {
            Reading::Fields(name, prefix) => fields(&read(path), name, prefix),
            Reading::Calls => calls(&xtask::workspace().join(path)),
        };
        assert!(!names.is_empty() || *process == "runner", "{path} reads nothing: has it moved?");
        for name in names.into_iter().filter(|name| !FOREIGN.contains(&name.as_str())) {
            found.entry(name).or_default().insert(process);
        }
    }
    for name in
        read("infra/models.toml").lines().filter_map(|line| line.strip_prefix("key = \"")?.strip_suffix('"'))
    {
        found.entry(name.to_owned()).or_default().insert("runner");
    }
    for name in LIBRARY {
        found.entry(name.to_owned()).or_default().insert("all");
    }
    found
}

/// The fields of a struct as envy reads them.
fn fields(source: &str, name: &str, prefix: &str) -> Vec<String> {
    let start = [format!("struct {name} {{"), format!("pub struct {name} {{")];
    let body = start.iter().find_map(|start| source.split_once(start.as_str())).map(|(_, tail)| tail);
    let body = body.unwrap_or_else(|| panic!("no struct {name}")).split("\n}").next().unwrap_or_default();
    let field = |line: &str| {
        let (name, _) = line.trim().trim_start_matches("pub ").split_once(": ")?;
        let plain = name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        (plain && !name.is_empty()).then(|| format!("{prefix}{}", name.to_uppercase()))
    };
    body.lines().filter_map(field).collect()
}

/// Every NAME in a call of `lookup`, `given`, `var` or in clap's `env = "NAME"`, below a folder; tests are left out.
fn calls(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(calls(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for start in ["lookup(\"", "given(\"", "var(\"", "env = \""] {
                let names = text.split(start).skip(1).filter_map(|tail| tail.split('"').next());
                let name = |name: &&str| {
                    name.len() > 2
                        && name.chars().all(|letter| {
                            letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
                        })
                };
                found.extend(names.filter(name).map(str::to_owned));
            }
        }
    }
    found
}

/// The names of `.env.example`, those of optional lines too.
fn example() -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.trim_start_matches(['#', ' ']).split_once('=')?;
        let capital = name
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
        (capital && !name.is_empty()).then(|| name.to_owned())
    };
    read(".env.example").lines().filter_map(name).collect()
}

#[test]
fn the_example_has_every_variable_that_is_read_and_no_other() {
    let (read, listed) = (variables(), example());
    let missing: Vec<_> = read.keys().filter(|name| !listed.contains(*name)).collect();
    assert!(missing.is_empty(), ".env.example lacks {missing:?}");
    // One stands for all vendors' addresses, whose names are made from models.toml.
    let unread: Vec<_> =
        listed.iter().filter(|name| !read.contains_key(*name) && !name.ends_with("_BASE_URL")).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?} of .env.example");
}

#[test]
fn the_table_of_secrets_says_of_each_process_what_it_reads() {
    let document = read("docs/DEPLOY.md");
    let table =
        document.split("## Secrets").nth(1).and_then(|tail| tail.split("\n### ").next()).expect("a section");
    let variables = variables();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for name in cells[1]
            .split('`')
            .filter(|name| name.len() > 2 && *name == name.to_uppercase() && name.contains('_'))
        {
            rows += 1;
            let readers = variables.get(name).unwrap_or_else(|| panic!("nobody reads {name}"));
            for (column, process) in [(2, "api"), (3, "dispatcher"), (4, "runner")] {
                let said = cells[column].starts_with("yes");
                assert_eq!(
                    said,
                    readers.contains(process),
                    "{name}, {process}: docs/DEPLOY.md says {:?}",
                    cells[column]
                );
            }
        }
    }
    assert!(rows >= 12, "only {rows} rows were understood");
}

#[test]
fn the_runner_reads_no_token_of_flys_and_no_key_of_ours() {
    let variables = variables();
    for name in [
        "FLY_API_TOKEN",
        "GH_SERVICE_SECRET",
        "GH_ENCRYPTION_KEY",
        "GH_RUNNER_DB_PASSWORD",
        "SUPABASE_DIRECT_URL",
    ] {
        let readers = variables.get(name).unwrap_or_else(|| panic!("nobody reads {name}"));
        assert!(!readers.contains("runner"), "the runner reads {name}");
    }
}
