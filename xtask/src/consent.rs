//! Whether `demo --url` may send an application: what leaves this computer cannot be taken back.

use std::io::{BufRead, IsTerminal as _, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};

use crate::arguments::Demo;

/// Why it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nothing leaves this computer, or it was said on the command line.
    Given,
    /// Somebody was asked and said yes.
    Asked,
}

/// Asks on a terminal before an application is sent to a page that is not on this computer.
///
/// # Errors
/// When the answer is not yes, or there is nobody to ask.
pub fn to_send(demo: &Demo) -> Result<Consent> {
    let Some(url) = demo.url.as_deref().filter(|url| !demo.yes && !is_here(url)) else {
        return Ok(Consent::Given);
    };
    let who = demo.profile.as_ref().map_or_else(
        || "the demo's made-up applicant (no --profile is given)".to_owned(),
        |file| format!("the applicant of {}", file.display()),
    );
    // Debug: what a terminal would obey is shown instead.
    let what = format!("this sends a real application to {url:?} as {who}");
    let (input, output) = (std::io::stdin(), std::io::stderr());
    if !(input.is_terminal() && output.is_terminal()) {
        bail!("{what}, and there is no terminal to ask on: say --yes if it may. Nothing was started");
    }
    if !ask(&what, &mut input.lock(), &mut output.lock())? {
        bail!("nothing was sent, and nothing was started");
    }
    Ok(Consent::Asked)
}

/// Whether the answer is yes.
fn ask(what: &str, input: &mut impl BufRead, output: &mut impl Write) -> Result<bool> {
    write!(output, "{what}. Type yes to send it: ")?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// Whether a page is on this computer for certain. An address that browsers may read otherwise than we do is not.
fn is_here(url: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_graphic() && letter != '\\' && letter != '@';
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| rest.chars().all(plain)) else { return false };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match place.strip_prefix('[').map(|tail| tail.split_once(']')) {
        Some(Some((host, tail))) => (host, tail.strip_prefix(':').or_else(|| tail.is_empty().then_some("0"))),
        Some(None) => return false,
        None => place.split_once(':').map_or((place, Some("0")), |(host, port)| (host, Some(port))),
    };
    let bracketed = place.starts_with('[');
    let ours = if bracketed {
        host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    } else {
        host == "localhost" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    };
    ours && port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_on_this_computer_goes_without_a_question() {
        for url in [
            "http://localhost/apply",
            "http://localhost:3000",
            "https://127.0.0.1:8443/jobs?id=1#form",
            "http://127.9.9.9/",
            "http://[::1]:3000/a",
            "http://[::1]",
        ] {
            assert!(is_here(url), "{url}");
        }
        for url in [
            "https://careers.example.com/apply",
            "https://localhost.example.com/",
            "https://localhost@example.com/",
            "https://127.0.0.1:80@example.com/",
            "https://example.com\\@localhost/",
            "http://localhost\\.example.com/",
            "http://local\thost/",
            "http://127.0.0.1.example.com/",
            "http://127.1/",
            "http://[::1].example.com/",
            "http://[::1",
            "http://[127.0.0.1]/",
            "http://::1/",
            "http://localhost:/x",
            "http://localhost:99999/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "HTTP://localhost/",
            "file:///etc/passwd",
            "//localhost/",
            "localhost",
            "",
        ] {
            assert!(!is_here(url), "{url}");
        }
    }

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in
            [("yes\n", true), ("YES\r\n", true), ("y\n", false), ("\n", false), ("", false), ("no\n", false)]
        {
            let mut said = Vec::new();
            assert_eq!(ask("x", &mut answer.as_bytes(), &mut said).expect("read"), yes, "{answer:?}");
            assert_eq!(said, b"x. Type yes to send it: ");
        }
    }
}
