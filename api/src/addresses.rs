//! How often one address may ask, kept in memory: it keeps strangers from trying keys and tokens, and one user from
//! crowding out the others. Services are not counted.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::server::Peer;

/// Requests a second that an address may lastingly make: a page that polls ten jobs makes five.
const RATE: f64 = 50.0;
/// Requests it may make at once.
const BURST: f64 = 200.0;
/// The most addresses that are remembered; about a megabyte.
const MAX_ADDRESSES: usize = 10_000;

/// The addresses that asked lately.
#[derive(Debug, Default)]
pub struct Addresses {
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
    behind_fly: bool,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Addresses {
    /// `behind_fly` says that only Fly's proxy connects, so that its word on the client's address can be believed.
    pub fn new(behind_fly: bool) -> Self {
        Self { behind_fly, ..Self::default() }
    }

    /// Takes one request of `address`, or says how long it has to wait.
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_ADDRESSES {
            // Who is full again has nothing to be remembered for. If nobody is, this is an attack: forget them all.
            buckets.retain(|_, bucket| bucket.filled(now).tokens < BURST);
            if buckets.len() >= MAX_ADDRESSES {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(network(address)).or_insert(Bucket { tokens: BURST, at: now });
        *bucket = bucket.filled(now);
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / RATE));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn of(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        if self.behind_fly { told(request.headers()).or(peer) } else { peer }
    }
}

impl Bucket {
    fn filled(self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        Self { tokens: (self.tokens + passed * RATE).min(BURST), at: now }
    }
}

/// The client's address in the words of Fly's proxy.
fn told(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("fly-client-ip")?.to_str().ok()?.trim().parse().ok()
}

/// What counts as one address: of IPv6 the network, which is what one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !0 << 64).into(),
    }
}

/// Refuses addresses that ask too often.
pub async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> ApiResult<Response> {
    if !app.auth.is_service(request.headers())
        && let Some(address) = app.addresses.of(&request)
        && let Err(wait) = app.addresses.take(address, Instant::now())
    {
        let message = "Too many requests from this address";
        let refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message);
        return Err(refusal.retry_after(wait.as_secs() + 1));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_that_asks_too_often_waits_and_no_other_does() {
        let (addresses, start) = (Addresses::default(), Instant::now());
        let burst = (0..1000).take_while(|_| addresses.take(ip("198.51.100.1"), start).is_ok()).count();
        assert_eq!(burst, 200);
        assert!(
            addresses.take(ip("::ffff:198.51.100.1"), start).is_err(),
            "the same address in another dress"
        );
        assert!(addresses.take(ip("198.51.100.2"), start).is_ok());
        let later = start + Duration::from_secs(1);
        let second = (0..1000).take_while(|_| addresses.take(ip("198.51.100.1"), later).is_ok()).count();
        assert_eq!(second, 50);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), network(ip("2001:db8:1:2::1")));
        assert_ne!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_fit() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        for number in 0..25_000_u32 {
            addresses.take(IpAddr::from(number.to_be_bytes()), now).expect("each asks once");
        }
        assert!(addresses.buckets.lock().expect("not poisoned").len() <= MAX_ADDRESSES);
    }
}
