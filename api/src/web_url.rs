//! Which addresses a caller may name: http and https, and nothing inside our own networks.
//!
//! This is the first of two checks. It sees the text; whoever connects checks again what the name resolves to.

use domain::net::{is_private_name, is_public_v4, is_public_v6};
use url::{Host, Url};

/// The longest address taken.
const MAX_LENGTH: usize = 2048;

/// What depends on where this service runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Take addresses of private networks too: the development switch `GH_ALLOW_PRIVATE_NET`.
    pub private_net: bool,
}

/// Says why `text` may not be visited, if so.
pub fn check(text: &str, rules: Rules) -> Result<(), &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("length is greater than 2048");
    }
    let Ok(url) = Url::parse(text) else { return Err("must be an http or https URL") };
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL");
    }
    let private = match url.host() {
        Some(Host::Domain(name)) => is_private_name(name),
        Some(Host::Ipv4(ip)) => !is_public_v4(ip),
        Some(Host::Ipv6(ip)) => !is_public_v6(ip),
        None => return Err("must be an http or https URL"),
    };
    if private && !rules.private_net { Err("must not be an address of a private network") } else { Ok(()) }
}

/// The same as a rule of garde, for an optional field.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
pub fn valid(text: &Option<String>, rules: &Rules) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| check(text, *rules).map_err(garde::Error::new))
}

/// The same, for a client that sends an empty text for none.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
pub fn valid_or_empty(text: &Option<String>, rules: &Rules) -> garde::Result {
    if text.as_deref() == Some("") { Ok(()) } else { valid(text, rules) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_are_taken() {
        let rules = Rules { private_net: true };
        assert_eq!(check("https://boards.greenhouse.io/acme/jobs/1", rules), Ok(()));
        for text in [
            "javascript:alert(1)",
            "ftp://a.example/x",
            "file:///etc/passwd",
            "//a.example",
            "a.example",
            "http://",
        ] {
            assert!(check(text, rules).is_err(), "{text}");
        }
        assert!(check(&format!("https://a.example/{}", "x".repeat(2048)), rules).is_err());
    }

    #[test]
    fn no_address_of_a_private_network_is_taken() {
        for host in [
            "127.0.0.1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "0x7f.1",
            "2130706433",
            "[::1]",
            "[::]",
            "[fdaa::3]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:0a00:0001::]",
            "metadata.google.internal",
            "gh.flycast",
            "top1.nearest.of.x.internal",
            "100.64.0.1",
        ] {
            let text = format!("http://{host}/");
            assert!(check(&text, Rules::default()).is_err(), "{text}");
            assert_eq!(check(&text, Rules { private_net: true }), Ok(()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_taken() {
        for host in ["93.184.216.34", "[2606:4700::1111]", "internal.example.com", "localhost.example.com"] {
            assert_eq!(check(&format!("https://{host}/"), Rules::default()), Ok(()), "{host}");
        }
    }
}
