//! The tables of proofs in `docs`: what they name is there, and they leave nothing out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::harness::{Ask, Service};

/// Where the code lies.
const FOLDERS: [&str; 9] = [
    "api",
    "dispatcher",
    "runner",
    "crates",
    "tests",
    "infra",
    "xtask",
    "clients/typescript/test",
    "migrations",
];

/// Every file with code in it, by its path, with its text.
struct Tree(Vec<(String, String)>);

impl Tree {
    fn read() -> Self {
        let mut found = Vec::new();
        let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root().join(folder)).collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let is = |endings: &[&str]| {
                    path.extension().is_some_and(|end| endings.iter().any(|known| end == *known))
                };
                if path.is_dir() && !path.ends_with("node_modules") {
                    folders.push(path);
                } else if is(&["rs", "ts", "sql"]) {
                    let name = path.strip_prefix(root()).expect("below").display().to_string();
                    found.push((name, std::fs::read_to_string(&path).expect("text")));
                }
            }
        }
        Self(found)
    }

    /// Whether there is a test (in Rust) of that name; `…` at the end stands for the rest.
    fn has_test(&self, name: &str) -> bool {
        let needle =
            name.strip_suffix('…').map_or_else(|| format!("fn {name}("), |begin| format!("fn {begin}"));
        let in_words = format!("\"{name}\"");
        self.0
            .iter()
            .any(|(path, text)| path.ends_with(".rs") && (text.contains(&needle) || text.contains(&in_words)))
    }

    fn has_case(&self, name: &str) -> bool {
        self.0.iter().any(|(path, text)| {
            path.ends_with(".ts") && text.replace("\\'", "'").contains(&format!("'{name}'"))
        })
    }

    fn has_file(&self, name: &str) -> bool {
        self.0.iter().any(|(path, _)| path == name || path.ends_with(&format!("/{name}")))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).expect("the page")
}

/// The section under a heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let begin = page.find(heading).unwrap_or_else(|| panic!("no section {heading}")) + heading.len();
    let rest = &page[begin..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The rows of its tables, without their heads: the first cell and the rest of the row.
fn rows(text: &str) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|--") || next.starts_with("|-"));
        if !line.starts_with('|') || line.starts_with("|-") || is_head {
            continue;
        }
        let (first, rest) = line.trim_matches('|').split_once('|').expect("two cells");
        rows.push((first.trim().to_owned(), rest.trim().to_owned()));
    }
    rows
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The names of tests in a text: sentences with underscores, which no column and no table of ours is.
fn tests_of(text: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte >= 0x80)
            && word.matches('_').count() >= 3
            && !word.starts_with("gh_")
    };
    quoted(text).into_iter().filter(is_name).collect()
}

/// Names that are not there.
fn missing(tree: &Tree, text: &str) -> Vec<String> {
    let tests = tests_of(text).into_iter().filter(|name| !tree.has_test(name));
    let files =
        quoted(text).into_iter().filter(|word| [".rs", ".ts", ".sql"].iter().any(|end| word.ends_with(end)));
    tests.chain(files.filter(|name| !tree.has_file(name))).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_endpoint_has_a_row_and_every_row_its_tests() {
    let (tree, page) = (Tree::read(), page("API.md"));
    let table = rows(section(&page, "## Each endpoint and its proof"));
    let mut described = BTreeSet::new();
    let description: Value =
        serde_json::from_str(&api::app::description().expect("a description")).expect("JSON");
    for (path, methods) in description["paths"].as_object().expect("paths") {
        let path = path.trim_start_matches("/api/v1/gh");
        described.extend(
            methods
                .as_object()
                .expect("methods")
                .keys()
                .map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let listed: BTreeSet<String> =
        table.iter().filter_map(|(first, _)| Some(quoted(first).first()?.to_string())).collect();
    assert_eq!(listed, described);
    for (endpoint, proof) in &table {
        assert!(!tests_of(proof).is_empty(), "{endpoint} has no test");
    }
    assert_eq!(missing(&tree, &page), [] as [String; 0]);
}

#[test]
fn every_method_of_the_client_has_a_row_and_every_row_its_tests() {
    let (tree, page) = (Tree::read(), page("API.md"));
    let table = rows(
        section(&page, "## Each method of the TypeScript client and its proof")
            .split("What differs")
            .next()
            .expect("text"),
    );
    let source =
        std::fs::read_to_string(root().join("clients/typescript/src/client.ts")).expect("the client");
    let named: BTreeSet<&str> = table.iter().flat_map(|(first, _)| quoted(first)).collect();
    let mut methods = 0;
    for line in source.lines().filter_map(|line| line.strip_prefix("  ")) {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line.split('(').next().unwrap_or_default();
        let is_method =
            line.contains('(') && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        if is_method && name != "constructor" {
            assert!(named.contains(name), "{name} has no row");
            methods += 1;
        }
    }
    assert!(methods >= 14, "{methods}");
    for (method, proof) in &table {
        let cases: Vec<&str> = proof.split('"').skip(1).step_by(2).collect();
        assert!(
            !cases.is_empty() || quoted(proof).iter().any(|file| file.ends_with(".test.ts")),
            "{method} has no test"
        );
        for case in cases {
            assert!(tree.has_case(case), "{method}: no test is called \"{case}\"");
        }
    }
}

#[test]
fn every_fault_of_the_old_service_is_proven_gone_or_not_applicable() {
    let page = page("API.md");
    let table = rows(section(&page, "## The old service's 43 faults"));
    let numbers: Vec<String> = table.iter().map(|(first, _)| first.clone()).collect();
    assert_eq!(numbers, (1..=43).map(|number| number.to_string()).collect::<Vec<_>>());
    for (number, row) in &table {
        assert!(!tests_of(row).is_empty() || row.contains("not applicable: "), "fault {number}: {row}");
    }
}

#[test]
fn every_failure_has_a_test_or_says_why_not() {
    let (tree, page) = (Tree::read(), page("FAILURES.md"));
    let table = rows(&page);
    let faults: Vec<_> = table.iter().filter(|(first, _)| first.starts_with('F')).collect();
    assert!(faults.len() >= 46, "{}", faults.len());
    for (index, (name, row)) in faults.iter().enumerate() {
        assert_eq!(*name, format!("F{}", index + 1));
        assert!(
            row.split('|').nth(1).is_some_and(|promise| !promise.trim().is_empty()),
            "{name} promises nothing"
        );
        // Tests of the plan are named in plain words.
        for words in quoted(row).into_iter().filter(|quoted| quoted.contains(' ') && !quoted.contains('/')) {
            assert!(tree.has_test(words), "{name}: no test is called `{words}`");
        }
    }
    assert_eq!(missing(&tree, &page), [] as [String; 0]);
}

/// The words between quotes that follow `before`, wherever it stands in code that is no test.
fn words_after(tree: &Tree, before: &str, quote: char) -> BTreeSet<String> {
    let is_code =
        |path: &str| (path.contains("/src/") || path.starts_with("migrations/")) && !path.contains("tests");
    let files = tree.0.iter().filter(|(path, _)| is_code(path));
    let words = files.flat_map(|(_, text)| text.split(before).skip(1)).filter_map(|rest| {
        let word = rest.trim_start().strip_prefix(quote)?.split(quote).next()?;
        word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()).then(|| word.to_owned())
    });
    words.collect()
}

#[test]
fn every_error_code_a_job_can_end_with_is_explained() {
    let (tree, page) = (Tree::read(), page("API.md"));
    let mut known = BTreeSet::new();
    for before in ["Outcome::last(", "Outcome::retryable(", "Outcome::needs_human(", "code: Some("] {
        known.extend(words_after(&tree, before, '"'));
    }
    for before in ["v_code := ", "coalesce(v_code, ", "'error_code', ", "error_code = "] {
        known.extend(words_after(&tree, before, '\''));
    }
    let verdicts = &tree.0.iter().find(|(path, _)| path == "runner/src/blockers.rs").expect("the blockers").1;
    let verdicts = verdicts
        .split("fn verdict")
        .nth(1)
        .and_then(|rest| rest.split("\n    }\n").next())
        .expect("a function");
    known
        .extend(verdicts.split('"').skip(1).step_by(2).filter(|text| !text.contains(' ')).map(str::to_owned));
    assert!(known.len() > 20, "{known:?}");
    let section = section(&page, "## What becomes of a job");
    let table = &section[section.find("| `error_code` |").expect("the table of codes")..];
    let explained: BTreeSet<String> =
        rows(table).iter().flat_map(|(first, _)| quoted(first)).map(str::to_owned).collect();
    assert_eq!(explained, known);
}

#[tokio::test]
async fn the_first_job_of_the_page_is_taken_as_it_stands() {
    let page = page("API.md");
    let sample = section(&page, "## A first job")
        .split("-d '")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a body");
    let body: Value = serde_json::from_str(sample).expect("JSON");
    let service = Service::start().await;
    let answer = service.post("/jobs", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // The résumé is the user's own, so that the sample is a user's too.
    let user = body["user_id"].as_str().and_then(|id| id.parse().ok()).expect("a user");
    let mut own = body.clone();
    own["idempotency_key"] = Value::Null;
    let answer = service.as_user(user, Method::POST, "/jobs").json(&own).answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
