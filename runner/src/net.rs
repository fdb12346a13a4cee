//! Which addresses the runner may open: public ones, over http or https.

use std::net::{IpAddr, SocketAddr};

use domain::net::{is_private_name, is_public};
use url::{Host, Url};

use crate::egress::Outside;

/// How far the runner may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses only.
    #[default]
    Public,
    /// This computer and private networks too: development and tests.
    Anything,
}

/// Why an address is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// It is no web address.
    #[error("`{0}` is neither http nor https")]
    Scheme(String),
    /// It names no host, or one that does not exist.
    #[error("the host was not found")]
    NoHost,
    /// It leads into a private network.
    #[error("the address is not public")]
    NotPublic,
    /// Nothing of the job's is served on that port.
    #[error("port {0} is not one of the web's")]
    Port(u16),
    /// The job may only open the hosts it names.
    #[error("the job does not allow this host")]
    NotAllowed,
    /// It is allowed, and does not answer.
    #[error("the host could not be reached")]
    Unreachable,
}

/// Resolves an address and checks every result.
///
/// # Errors
/// When the scheme is not http(s), the host is unknown, or one of its addresses is not public.
pub async fn check(url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, Refused> {
    check_with(url, reach, &Outside::default()).await
}

/// Like [`check`], with names resolved by `outside`.
///
/// # Errors
/// As [`check`].
pub async fn check_with(url: &Url, reach: Reach, outside: &Outside) -> Result<Vec<SocketAddr>, Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::Scheme(url.scheme().to_owned()));
    }
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Domain(name)) => resolve(name, port, reach, outside).await,
        Some(Host::Ipv4(address)) => literal(address.into(), port, reach),
        Some(Host::Ipv6(address)) => literal(address.into(), port, reach),
        None => Err(Refused::NoHost),
    }
}

/// The addresses of a host, by name or written out; all of them are public, or none is returned.
///
/// # Errors
/// When the host is unknown or one of its addresses is not public.
pub async fn resolve(
    host: &str,
    port: u16,
    reach: Reach,
    outside: &Outside,
) -> Result<Vec<SocketAddr>, Refused> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return literal(address, port, reach);
    }
    if reach == Reach::Public && is_private_name(host) {
        return Err(Refused::NotPublic);
    }
    // Whatever else a host may be written as (octal, hexadecimal, one number), the resolver turns into an address.
    let found = outside.lookup(host).await.map_err(|_| Refused::NoHost)?;
    if found.is_empty() {
        return Err(Refused::NoHost);
    }
    if reach == Reach::Public && !found.iter().copied().all(is_public) {
        return Err(Refused::NotPublic);
    }
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

fn literal(address: IpAddr, port: u16, reach: Reach) -> Result<Vec<SocketAddr>, Refused> {
    if reach == Reach::Public && !is_public(address) {
        return Err(Refused::NotPublic);
    }
    Ok(vec![SocketAddr::new(address, port)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn private_addresses_are_refused_however_they_are_written() {
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/",
            "http://[fdaa::3]/",
            "http://localhost/",
            "http://100.64.0.1/",
        ] {
            let url = Url::parse(text).expect("an address");
            assert_eq!(check(&url, Reach::Public).await, Err(Refused::NotPublic), "{text}");
        }
        let file = Url::parse("file:///etc/passwd").expect("an address");
        assert!(matches!(check(&file, Reach::Anything).await, Err(Refused::Scheme(_))));
    }

    #[tokio::test]
    async fn a_host_with_one_private_address_among_public_ones_is_refused() {
        let mixed =
            Outside::of_names(|_| vec!["8.8.8.8".parse().expect("one"), "10.0.0.1".parse().expect("two")]);
        assert_eq!(resolve("a.test", 80, Reach::Public, &mixed).await, Err(Refused::NotPublic));
        assert!(resolve("a.test", 80, Reach::Anything, &mixed).await.is_ok());
    }
}
