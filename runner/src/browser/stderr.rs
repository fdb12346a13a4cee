//! What Chromium writes to its standard error: where its socket is, or why it did not start.

use std::io::{BufRead, BufReader, Read};

/// Reads until the end, so that Chromium never blocks on it; gives every socket's address to `found`.
///
/// Returns the line that says best why it ended.
pub(super) fn drain(stderr: impl Read, mut found: impl FnMut(&str)) -> String {
    let (mut best, mut weight) = (String::new(), Weight::Noise);
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        tracing::trace!(line, "chromium");
        if let Some((_, address)) = line.split_once("DevTools listening on ") {
            found(address.trim());
        }
        // The first of the heaviest: what follows is its consequence.
        if Weight::of(&line) > weight {
            (best, weight) = (line.clone(), Weight::of(&line));
        }
    }
    if best.is_empty() { "it wrote nothing".into() } else { best }
}

/// How much a line tells about an end, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A stack trace, registers, an empty line.
    Noise,
    /// Chatter of a browser that runs.
    Chatter,
    /// An error it lives on with: every machine without a desktop has the ones about D-Bus.
    Survived,
    /// An error.
    Error,
    /// Not written by Chromium's log: the dynamic linker, a start script, a signal.
    Foreign,
    /// What it ended for.
    Fatal,
}

impl Weight {
    fn of(line: &str) -> Self {
        // [process:thread:date/time:LEVEL:file(line)] text
        let head = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(head, _)| head);
        let stack = ["#", "r8:", "r12:", "di:", "trp:", "cr2:", "Crash keys", "Task trace"];
        match head {
            Some(head) if head.contains(":FATAL:") => Self::Fatal,
            Some(head) if head.contains(":ERROR:dbus/") => Self::Survived,
            Some(head) if head.contains(":ERROR:") => Self::Error,
            Some(head) if head.contains(':') => Self::Chatter,
            Some(_) => Self::Noise, // [end of stack trace]
            None if line.is_empty() || stack.iter().any(|start| line.starts_with(start)) => Self::Noise,
            None if line.starts_with("DevTools ") => Self::Chatter,
            None => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_it_ended_for_is_told_not_the_last_one() {
        const BUS: &str = "[7:9:1201/153305.3:ERROR:dbus/bus.cc:405] Failed to connect to the bus";
        const CHATTER: &str = "[7:7:1201/153305.4:WARNING:gpu/x.cc:12] No GPU";
        let cases: &[(&[&str], &str)] = &[
            (
                &[
                    BUS,
                    "[7:7:1201/1.2:FATAL:process_singleton_posix.cc(305)] Socket path too long: /a/b",
                    "#0 0x55d3c0ffee <unknown>",
                    "Received signal 6",
                    "  r8: 0000000000000000  r9: 0000000000000000",
                    "[end of stack trace]",
                    "[9:9:1201/1.3:ERROR:zygote_main.cc:5] write: Broken pipe (32)",
                ],
                "Socket path too long",
            ),
            (
                &["/x/chromium: error while loading shared libraries: libnss3.so: cannot open", BUS],
                "libnss3.so",
            ),
            (
                &[
                    BUS,
                    "[7:7:1201/1.2:ERROR:ui/ozone/x11.cc:256] Missing X server or $DISPLAY",
                    "[7:7:1201/1.2:ERROR:ui/aura/env.cc:246] The platform failed to initialize.  Exiting.",
                ],
                "Missing X server",
            ),
            (&[CHATTER, BUS, CHATTER], "Failed to connect to the bus"),
            (&[CHATTER, ""], "No GPU"),
            (&["", "#0 0x55"], "it wrote nothing"),
        ];
        for (lines, told) in cases {
            let said = drain(lines.join("\n").as_bytes(), |_| {});
            assert!(said.contains(told), "{lines:?}: {said}");
        }
    }

    #[test]
    fn a_line_that_is_no_text_ends_nothing() {
        let mut found = Vec::new();
        let text = b"\xff\xfe\nDevTools listening on ws://127.0.0.1:9/x\n";
        drain(&text[..], |address| found.push(address.to_owned()));
        assert_eq!(found, ["ws://127.0.0.1:9/x"]);
    }
}
