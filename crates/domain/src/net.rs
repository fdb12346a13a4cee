//! Which addresses belong to the public internet; everything else is somebody's inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Names that only mean something inside a network of one's own.
const PRIVATE_SUFFIXES: [&str; 9] =
    ["localhost", "local", "internal", "localdomain", "home.arpa", "flycast", "vm", "intranet", "lan"];

/// How far an address that a caller chose may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Into the public internet only.
    #[default]
    Public,
    /// Into private networks too: the development switch `GH_ALLOW_PRIVATE_NET`.
    Anything,
}

/// Why an address may not be visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no address of the web.
    #[error("is not an http or https URL")]
    NotWeb,
    /// It leads into a private network.
    #[error("is not public")]
    NotPublic,
}

/// Whether a text that may be a path is an address of the web; the case of a scheme says nothing.
pub fn has_web_scheme(text: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Reads an address that a caller chose.
///
/// It sees the text: a host written out in numbers is judged here for good, a name only by itself. Whoever connects judges what
/// the name resolves to, on the addresses that are connected to ([`all_public`]).
///
/// # Errors
/// When it is neither http nor https, names no host, or leads further than `reach`.
pub fn web_address(text: &str, reach: Reach) -> Result<Url, Unfit> {
    let url = Url::parse(text).map_err(|_| Unfit::NotWeb)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Unfit::NotWeb);
    }
    let public = match url.host() {
        Some(Host::Domain(name)) => !is_private_name(name),
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        None => return Err(Unfit::NotWeb),
    };
    if public || reach == Reach::Anything { Ok(url) } else { Err(Unfit::NotPublic) }
}

/// Whether all addresses a name resolved to are within reach: one private address among public ones spoils it.
pub fn all_public(addresses: &[IpAddr], reach: Reach) -> bool {
    reach == Reach::Anything || addresses.iter().copied().all(is_public)
}

/// Whether a host name is one that never leaves a private network, whatever it resolves to.
pub fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    PRIVATE_SUFFIXES
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether an address is reachable from the public internet; one that carries an IPv4 address inside is judged by that.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether an IPv4 address is reachable from the public internet.
pub fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // carrier-grade NAT
    let special = a == 0 || a >= 224 || (a == 192 && b == 0 && c == 0) || (a == 192 && b == 88 && c == 99);
    let benchmarks = a == 198 && (18..20).contains(&b);
    !(address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation())
        && !(shared || special || benchmarks)
}

/// Whether an IPv6 address is reachable from the public internet.
pub fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match address.segments() {
        // NAT64 and 6to4 carry an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(inside(high, low)),
        // Teredo, benchmarks, ORCHID, documentation.
        [0x2001, 0 | 2 | 0x10..=0x2f | 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000, // only 2000::/3 is given out; fdaa::/16 is Fly's 6PN
    }
}

const fn inside(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_a_private_network_is_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fdaa:0:1::3",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn a_private_address_is_refused_however_it_is_written() {
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
            "0177.0.0.1",
            "127.1",
            "2130706433",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "user:pass@127.0.0.1",
            "[::1]",
            "[::]",
            "[fdaa::3]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:0a00:0001::]",
            "metadata.google.internal",
            "_api.internal:4280",
            "gh.flycast",
            "top1.nearest.of.x.internal",
            "100.64.0.1",
        ] {
            let text = format!("http://{host}/latest");
            assert_eq!(web_address(&text, Reach::Public), Err(Unfit::NotPublic), "{text}");
            assert!(web_address(&text, Reach::Anything).is_ok(), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_taken() {
        for text in [
            "javascript:alert(1)",
            "ftp://a.example/x",
            "file:///etc/passwd",
            "//a.example",
            "a.example",
            "http://",
            "",
        ] {
            assert_eq!(web_address(text, Reach::Anything), Err(Unfit::NotWeb), "{text}");
        }
        for text in [
            "https://boards.greenhouse.io/acme/jobs/1",
            "https://valet.example/hook?token=x",
            "http://93.184.216.34/",
            "https://[2606:4700::1111]/",
            "https://internal.example.com",
            "https://localhost.example.com",
        ] {
            assert!(web_address(text, Reach::Public).is_ok(), "{text}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_is_too_many() {
        let [public, private] = ["93.184.216.34", "10.0.0.1"].map(|text| text.parse().expect("an address"));
        assert!(all_public(&[public], Reach::Public) && !all_public(&[public, private], Reach::Public));
        assert!(all_public(&[public, private], Reach::Anything));
    }

    #[test]
    fn names_of_private_networks_are_known_by_their_last_label() {
        for name in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "_api.internal",
            "x.flycast",
            "top1.nearest.of.x.internal.",
        ] {
            assert!(is_private_name(name), "{name}");
        }
        for name in ["internal.example.com", "localhost.example.com", "notlocal", "jobs.example"] {
            assert!(!is_private_name(name), "{name}");
        }
    }
}
