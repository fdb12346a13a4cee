//! The decision: may this job open this host and port?

use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::net::TcpStream;
use url::Url;

use super::Outside;
use crate::net::{self, Reach, Refused};

/// How many refusals are remembered.
const KEPT: usize = 50;

/// What a job may open.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Which addresses.
    pub reach: Reach,
    /// Ports beside those of the web.
    pub ports: Vec<u16>,
    /// The only hosts, with everything below them; none means any.
    pub hosts: Option<Vec<String>>,
}

impl Policy {
    /// The policy of a job on this page: its own host and port are always among what it may open.
    pub fn of_job(target: &Url, reach: Reach, allowed: Option<&[String]>) -> Self {
        let own = target.host_str().map(str::to_owned);
        let hosts = allowed.map(|allowed| allowed.iter().cloned().chain(own).map(|it| tidy(&it)).collect());
        Self { reach, ports: target.port().into_iter().collect(), hosts }
    }

    fn allows(&self, host: &str) -> bool {
        let host = tidy(host);
        self.hosts.as_ref().is_none_or(|hosts| {
            hosts.iter().any(|known| {
                host.strip_suffix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        })
    }
}

/// A host as it is compared: lower case, no brackets, no dot at the end, no wildcard in front.
fn tidy(host: &str) -> String {
    let host = host.trim().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    host.strip_prefix("*.").map_or(host.clone(), str::to_owned)
}

/// Opens what the policy allows and remembers what it refused. Without a policy it opens nothing.
#[derive(Debug)]
pub struct Gate {
    policy: OnceLock<Policy>,
    outside: Outside,
    refusals: Mutex<VecDeque<(String, u16, Refused)>>,
}

impl Gate {
    /// A gate with this policy to this network.
    pub fn new(policy: Policy, outside: Outside) -> Self {
        let gate = Self::closed(outside);
        gate.allow(policy);
        gate
    }

    /// A gate to this network that opens nothing yet.
    pub fn closed(outside: Outside) -> Self {
        Self { policy: OnceLock::new(), outside, refusals: Mutex::default() }
    }

    /// Opens what `policy` allows from now on; the first policy stays.
    pub fn allow(&self, policy: Policy) {
        if self.policy.set(policy).is_err() {
            tracing::error!("a second policy for one browser was ignored");
        }
    }

    /// A connection to a host, or why there is none.
    ///
    /// # Errors
    /// When the policy refuses the host, its port or one of its addresses, or it does not answer.
    pub async fn open(&self, host: &str, port: u16) -> Result<TcpStream, Refused> {
        let opened = self.try_open(host, port).await;
        if let Err(refused) = &opened {
            tracing::info!(host, port, %refused, "not opened");
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.push_back((tidy(host), port, refused.clone()));
            if refusals.len() > KEPT {
                refusals.pop_front();
            }
        }
        opened
    }

    async fn try_open(&self, host: &str, port: u16) -> Result<TcpStream, Refused> {
        let policy = self.policy.get().ok_or(Refused::NotAllowed)?;
        let web = matches!(port, 80 | 443) || policy.ports.contains(&port);
        if !web && policy.reach == Reach::Public {
            return Err(Refused::Port(port));
        }
        if !policy.allows(host) {
            return Err(Refused::NotAllowed);
        }
        let addresses = net::resolve(host, port, policy.reach, &self.outside).await?;
        self.outside.dial(&addresses).await.map_err(|_| Refused::Unreachable)
    }

    /// Why the last failed try to open the server of this address failed.
    pub fn refusal(&self, url: &Url) -> Option<Refused> {
        let (host, port) = (tidy(url.host_str()?), url.port_or_known_default()?);
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = refusals.iter().rev().filter(|(known, at, _)| (known, *at) == (&host, port));
        found.next().map(|(.., refused)| refused.clone())
    }

    /// Hosts that were refused for what they are, oldest first.
    pub fn refused(&self) -> Vec<String> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = |why: &Refused| !matches!(why, Refused::NoHost | Refused::Unreachable);
        refusals.iter().filter(|(.., why)| policy(why)).map(|(host, ..)| host.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_without_a_policy_opens_nothing() {
        let gate = Gate::closed(Outside::default());
        assert_eq!(gate.open("127.0.0.1", 80).await.err(), Some(Refused::NotAllowed));
        gate.allow(Policy::default());
        assert_eq!(gate.open("127.0.0.1", 80).await.err(), Some(Refused::NotPublic));
        gate.allow(Policy { reach: Reach::Anything, ..Policy::default() });
        assert_eq!(gate.open("127.0.0.1", 80).await.err(), Some(Refused::NotPublic), "the first one stays");
    }

    #[test]
    fn a_list_of_hosts_covers_what_is_below_them_and_the_job_s_own() {
        let target = Url::parse("https://careers.acme.test/1").expect("an address");
        let policy = Policy::of_job(&target, Reach::Public, Some(&["*.Greenhouse.io".to_owned()]));
        for host in ["careers.acme.test", "greenhouse.io", "boards.greenhouse.io", "Boards.Greenhouse.IO."] {
            assert!(policy.allows(host), "{host}");
        }
        for host in ["acme.test", "notgreenhouse.io", "greenhouse.io.evil.test", "10.0.0.1"] {
            assert!(!policy.allows(host), "{host}");
        }
        assert!(Policy::of_job(&target, Reach::Public, None).allows("any.test"));
    }
}
