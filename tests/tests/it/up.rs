//! `cargo xtask up`: it says where it is, and whatever ends it, nothing is left.

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{folder, leftovers, process, programs};

/// Starts `stack up` with its temporary files below `place`, and reads its exports.
fn up(place: &Path) -> (Child, Vec<String>) {
    let mut command = Command::new(programs::path("stack").expect("stack is built"));
    command
        .arg("up")
        .arg("--output")
        .arg(place.join("output"))
        .env("TMPDIR", place)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("stack starts");
    let output = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let lines = output.lines().map_while(Result::ok);
    let mut exports = Vec::new();
    for line in lines {
        if let Some(pair) = line.strip_prefix("export ") {
            exports.push(pair.to_owned());
        }
        if line.starts_with("export GH_ENCRYPTION_KEY") {
            break; // the last one
        }
    }
    (child, exports)
}

/// The temporary folders of stacks.
fn folders(place: &Path) -> usize {
    let entries = std::fs::read_dir(place).expect("the folder of this test").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("ghosthands-")).count()
}

fn processes(place: &Path) -> Vec<leftovers::Found> {
    let mut found = leftovers::find("nothing carries this", place);
    found.retain(|process| !process.command.contains("stack up --output"));
    found
}

#[test]
fn ctrl_c_ends_everything_in_order() {
    let place = folder::scratch().unwrap();
    let (mut child, exports) = up(place.path());
    assert!(exports.iter().any(|pair| pair.starts_with("DATABASE_URL='postgres://")), "{exports:?}");
    assert!(!processes(place.path()).is_empty());

    process::send(child.id().cast_signed(), libc::SIGINT);

    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(processes(place.path()), []);
    assert_eq!(folders(place.path()), 0);
}

#[test]
fn kill_9_leaves_nothing_either() {
    let place = folder::scratch().unwrap();
    let (mut child, _) = up(place.path());

    child.kill().unwrap();
    child.wait().unwrap();

    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (left, folders) = (processes(place.path()), folders(place.path()));
        if left.is_empty() && folders == 0 {
            return;
        }
        assert!(Instant::now() < until, "{left:?}, {folders} folders");
        process::pause();
    }
}
