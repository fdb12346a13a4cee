//! Names and connections of the real network, or of a test's.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(10);
/// How long one address may take to answer.
const DIAL: Duration = Duration::from_secs(10);

/// An answer that is on its way.
pub type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Lookup = dyn Fn(String) -> Pending<Vec<IpAddr>> + Send + Sync;
type Dial = dyn Fn(SocketAddr) -> Pending<TcpStream> + Send + Sync;

/// How names are resolved and addresses dialled.
#[derive(Clone)]
pub struct Outside {
    lookup: Arc<Lookup>,
    dial: Arc<Dial>,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            lookup: Arc::new(|name| Box::pin(system(name))),
            dial: Arc::new(|address| Box::pin(TcpStream::connect(address))),
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outside")
    }
}

impl Outside {
    /// A network with these names; addresses are dialled as they are.
    pub fn of_names(names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        let lookup =
            move |name: String| -> Pending<Vec<IpAddr>> { Box::pin(std::future::ready(Ok(names(&name)))) };
        Self { lookup: Arc::new(lookup), ..Self::default() }
    }

    /// The same network with another way to dial.
    #[must_use]
    pub fn dialled_by(self, dial: impl Fn(SocketAddr) -> Pending<TcpStream> + Send + Sync + 'static) -> Self {
        Self { dial: Arc::new(dial), ..self }
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// When the name does not exist or the resolver does not answer.
    pub async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        timeout(LOOKUP, (self.lookup)(name.to_owned())).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// A connection to the first of these addresses that answers.
    ///
    /// # Errors
    /// When none answers.
    pub async fn dial(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match timeout(DIAL, (self.dial)(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

async fn system(name: String) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
}
