//! A small pool of connections with a time limit on everything.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use crate::lane::{Lane, Quick};
use crate::{Error, Result};

/// No statement of a service takes longer; the claim at a million pending rows takes milliseconds.
/// Nor is one worth compiling: for sums over a month's lines that alone took 0.7 s, more than the sums themselves.
const SETTINGS: &str = "set statement_timeout = '5s'; set lock_timeout = '2s'; set idle_in_transaction_session_timeout = '10s'; set jit = off";

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a suspected connection may take to answer.
const PING: Duration = Duration::from_secs(1);

/// A handle to the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) pool: PgPool,
    lane: Lane,
    suspected: Arc<Mutex<Option<Instant>>>,
}

impl Db {
    /// Opens a pool of at most `connections` over a direct or session-mode address; connects when first used.
    ///
    /// `name` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// When `url` is not a Postgres address.
    pub fn open(url: &SecretString, name: &str, connections: u32) -> Result<Self> {
        let options = options(url, name)?;
        let suspected = Arc::<Mutex<Option<Instant>>>::default();
        let since = Arc::clone(&suspected);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            // A round trip per statement saved; a connection that died meanwhile fails its call, and every call of ours may be repeated.
            .test_before_acquire(false)
            // But what lay idle when another one died is asked first: a server that went away took them all.
            .before_acquire(move |connection, idle| {
                let since = *since.lock().unwrap_or_else(PoisonError::into_inner);
                let is_suspect = since.is_some_and(|since| since.elapsed() < idle.idle_for);
                Box::pin(async move {
                    Ok(!is_suspect
                        || timeout(PING, connection.ping()).await.is_ok_and(|answer| answer.is_ok()))
                })
            })
            .acquire_timeout(ACQUIRE)
            .idle_timeout(Duration::from_mins(5))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(SETTINGS).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        // One is left to whoever does not use the lane.
        Ok(Self { lane: Lane::new(pool.clone(), connections.saturating_sub(1).max(1)), pool, suspected })
    }

    /// Notes that a connection died: those that lie idle now are asked for a sign of life before they are used.
    pub fn suspect_idle_connections(&self) {
        *self.suspected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Asks the database for its time.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn ping(&self) -> Result<chrono::DateTime<chrono::Utc>> {
        Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.pool).await?)
    }

    /// Whether the database answers on a new connection, whatever those of the pool are waiting for.
    pub async fn answers_anew(&self) -> bool {
        let options = self.pool.connect_options();
        let ping = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            connection.ping().await?;
            connection.close().await
        };
        timeout(ACQUIRE, ping).await.is_ok_and(|answered| answered.is_ok())
    }

    /// A connection for one short statement; see [`Lane`].
    pub(crate) async fn quick(&self) -> Result<Quick> {
        self.lane.take().await
    }

    /// Closes the connections, waiting for those in use.
    pub async fn close(&self) {
        self.lane.clear();
        self.pool.close().await;
    }
}

/// The connect options of `url`, labelled.
pub(crate) fn options(url: &SecretString, name: &str) -> Result<PgConnectOptions> {
    Ok(PgConnectOptions::from_str(url.expose_secret())
        .map_err(|_| {
            Error::Settings(
                "the database address is not of the form postgres://user:password@host:port/name".into(),
            )
        })?
        .application_name(name))
}
