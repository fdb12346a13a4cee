//! `cargo xtask demo --url` before anything is built: with a cargo that only notes that it was called.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::archive::executable;

const PAGE: &str = "https://careers.example.com/apply";

/// Runs `demo` with further words and an answer, on a terminal or not; says what it said, and whether it went on to build.
fn demo(words: &[&str], answer: Option<&str>) -> (Output, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let (cargo, called) = (folder.path().join("cargo"), folder.path().join("called"));
    executable(&cargo, &format!("#!/bin/sh\ntouch {}\nexit 1\n", called.display()));
    let line = [&[env!("CARGO_BIN_EXE_xtask"), "demo"], words].concat();
    let mut command = if answer.is_some() {
        let quoted: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &quoted.join(" "), "/dev/null"]);
        command
    } else {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]);
        command
    };
    // Postgres and the browser are there, so that nothing is installed.
    for name in ["initdb", "postgres", "browser"] {
        executable(&folder.path().join(name), "#!/bin/sh\n");
    }
    command
        .env("CARGO", &cargo)
        .env("PG_BIN", folder.path())
        .env("GH_CHROMIUM", folder.path().join("browser"));
    let mut child = command
        .stdin(answer.map_or_else(Stdio::null, |_| Stdio::piped()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    if let (Some(answer), Some(mut input)) = (answer, child.stdin.take()) {
        writeln!(input, "{answer}").expect("typed");
    }
    let output = child.wait_with_output().expect("it ends");
    (output, called.exists())
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn without_a_terminal_no_application_is_sent_unless_it_was_said() {
    let (output, built) = demo(&["--url", PAGE], None);
    let words = said(&output);
    assert!(!output.status.success() && !built, "{words}");
    assert!(
        words.contains(PAGE) && words.contains("--yes") && words.contains("made-up applicant"),
        "{words}"
    );
    let (output, built) = demo(&["--url", PAGE, "--profile", "/x/me.json"], None);
    assert!(!built && said(&output).contains("the applicant of /x/me.json"), "{}", said(&output));
    for words in [&["--url", PAGE, "--yes"][..], &["--url", "http://localhost:3000/form"], &[]] {
        let (output, built) = demo(words, None);
        assert!(built, "{words:?}: {}", said(&output));
    }
}

#[test]
fn on_a_terminal_it_asks_and_takes_yes_for_yes() {
    if !Path::new("/usr/bin/script").is_file() || !cfg!(target_os = "linux") {
        eprintln!("left out: without `script` of util-linux there is no terminal to ask on");
        return;
    }
    for (answer, goes_on) in [("no", false), ("", false), ("yes", true)] {
        let (output, built) = demo(&["--url", PAGE], Some(answer));
        let words = said(&output);
        assert!(words.contains("Type yes to send it"), "{words}");
        assert_eq!(built, goes_on, "{answer:?}: {words}");
        assert_eq!(words.contains("nothing was sent"), !goes_on, "{words}");
    }
}
