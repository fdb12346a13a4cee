//! What the Dockerfiles ask of Debian's archive, asked of an archive of our own that moves on as Debian's does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use xtask::dockerfile::{self, Step};

use crate::archive::{self, Archive};
use crate::read;

/// Every Dockerfile of the checkout.
fn files() -> Vec<String> {
    let workspace = xtask::workspace();
    let mut folders = vec![workspace.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path: PathBuf = entry.path();
            if path.is_dir() && path.starts_with(workspace.join("infra")) {
                folders.push(path);
            } else if entry.file_name().to_string_lossy().starts_with("Dockerfile") {
                let inside = path.strip_prefix(&workspace).expect("inside");
                found.push(inside.to_str().expect("a text").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The calls of apt-get of each stage, without that word.
fn apt_calls(text: &str) -> Vec<Vec<Vec<String>>> {
    let stages = dockerfile::parse(text).expect("understood");
    let calls = stages.iter().map(|stage| {
        let mut values = BTreeMap::new();
        let mut calls = Vec::new();
        for step in &stage.steps {
            match step {
                Step::Argument(pairs) | Step::Environment(pairs) => values.extend(pairs.iter().cloned()),
                Step::Run(line) => {
                    let line = dockerfile::expand(line, &values);
                    for part in line.split(['&', '|', ';', '{', '}', '(', ')']) {
                        let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
                        let at = words.iter().position(|word| word == "apt-get");
                        calls.extend(at.map(|at| words[at + 1..].to_vec()));
                    }
                }
                _ => {}
            }
        }
        calls
    });
    calls.collect()
}

/// The packages that calls install, each with the version that is asked for.
fn packages(calls: &[Vec<String>]) -> BTreeSet<(String, Option<String>)> {
    let installs = calls.iter().filter(|call| call.first().is_some_and(|word| word == "install"));
    let words = installs.flat_map(|call| &call[1..]).filter(|word| !word.starts_with('-'));
    let split = words.map(|word| match word.split_once('=') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (word.clone(), None),
    });
    split.collect()
}

/// Carries out a stage's calls in a root of their own and returns which version of each package came.
fn carry_out(archive: &Archive, calls: &[Vec<String>]) -> Result<BTreeMap<String, String>, String> {
    let root = archive.root();
    for call in calls {
        let words: Vec<&str> = call.iter().map(String::as_str).collect();
        let output = root.apt(&words);
        if !output.status.success() {
            return Err(format!("apt-get {}: {}", call.join(" "), String::from_utf8_lossy(&output.stderr)));
        }
    }
    let names = packages(calls).into_iter().map(|(name, _)| name);
    Ok(names.map(|name| (name.clone(), root.version(&name).unwrap_or_default())).collect())
}

/// Builds each stage before and after the archive drops the version it has of every package for the next one.
fn outlive_a_drop(text: &str) -> Result<usize, String> {
    let mut installed = 0;
    for calls in apt_calls(text) {
        let archive = Archive::new();
        let packages = packages(&calls);
        for newest in ["7.1-1", "7.2-1"] {
            for (name, pinned) in &packages {
                let first = newest == "7.1-1";
                archive.publish(name, pinned.as_deref().filter(|_| first).unwrap_or(newest));
            }
            for (name, version) in carry_out(&archive, &calls)? {
                if version != newest && newest == "7.2-1" {
                    return Err(format!("{name} is {version:?} and not the newest"));
                }
            }
        }
        installed += packages.len();
    }
    Ok(installed)
}

#[test]
fn a_version_that_the_archive_drops_stops_no_image() {
    if !archive::possible() {
        eprintln!("left out: without apt-get and dpkg there is no archive to try the package steps with");
        return;
    }
    let mut browsers = 0;
    for file in files() {
        let text = read(&file);
        let installed = outlive_a_drop(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        println!("{file}: {installed} packages");
        browsers += usize::from(installed > 0 && text.contains("chromium-headless-shell"));
    }
    assert!(browsers > 0, "no Dockerfile installs a browser");
}

/// A release is built while the archive is away: what it needs of it is in the bases.
#[test]
fn what_a_release_ships_asks_the_archive_for_nothing() {
    for file in ["Dockerfile.api", "Dockerfile.runner"] {
        assert_eq!(apt_calls(&read(file)).concat(), Vec::<Vec<String>>::new(), "{file}");
    }
}

#[test]
fn a_pinned_version_would_be_found() {
    if !archive::possible() {
        eprintln!("left out: without apt-get and dpkg there is no archive to try the package steps with");
        return;
    }
    let error = outlive_a_drop(
        "FROM debian\nARG V=1.2-3\nRUN apt-get update && { apt-get install --yes chromium=${V} fonts || { exit 1; }; }\n",
    );
    let error = error.expect_err("pinned");
    assert!(error.contains("Version '1.2-3' for 'chromium' was not found"), "{error}");
}
