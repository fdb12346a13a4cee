//! Whom a callback may reach: checked when the connection is made, on the very addresses it is made to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::net::{Reach, all_public, is_private_name};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(5);

/// The address leads into a private network.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the address is not public")]
pub struct NotPublic;

type Lookup = dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync;

/// How names become addresses.
#[derive(Clone)]
pub struct Names(Arc<Lookup>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(|name| Box::pin(system(name))))
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

impl Names {
    /// Names that mean what `names` says, each time it is asked.
    pub fn of(names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |name| Box::pin(std::future::ready(Ok(names(&name))))))
    }
}

async fn system(name: String) -> io::Result<Vec<IpAddr>> {
    let found = timeout(LOOKUP, tokio::net::lookup_host((name, 0)))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(found.map(|address| address.ip()).collect())
}

/// The resolver of the client: what it returns is what is connected to, so a name cannot mean one thing here and another there.
pub(super) struct Guard {
    pub(super) names: Names,
    pub(super) reach: Reach,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (name, reach) = (name.as_str().to_owned(), self.reach);
        let private = is_private_name(&name);
        let found = (self.names.0)(name);
        Box::pin(async move {
            if private && reach == Reach::Public {
                return Err(NotPublic.into());
            }
            let found = found.await?;
            if !all_public(&found, reach) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_one_private_address_is_refused() {
        let names =
            Names::of(|_| vec!["93.184.216.34".parse().expect("one"), "10.0.0.1".parse().expect("two")]);
        let resolve = |reach| {
            let guard = Guard { names: names.clone(), reach };
            guard.resolve("valet.example".parse().expect("a name"))
        };
        assert!(resolve(Reach::Public).await.is_err());
        assert_eq!(resolve(Reach::Anything).await.map(Iterator::count).ok(), Some(2));
    }
}
