//! Notices of the database. A notice only means "look again": it may be late, doubled or lost.

use std::time::Duration;

use secrecy::SecretString;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::{Db, Result, db};

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The channel.
    pub channel: String,
    /// What was sent along.
    pub payload: String,
}

/// One connection that listens; needs a direct or session-mode address.
pub struct Listener {
    inner: PgListener,
}

impl Listener {
    /// Connects and listens on `channels`. What happened before is not heard: look once after this returns.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &SecretString, name: &str, channels: &[&str]) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(db::options(url, name)?);
        let mut inner = PgListener::connect_with(&pool).await?;
        inner.eager_reconnect(false);
        inner.listen_all(channels.iter().copied()).await?;
        Ok(Self { inner })
    }

    /// The next notice; `None` when the connection was lost and this listener is of no more use.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn next(&mut self) -> Result<Option<Notice>> {
        Ok(self.inner.try_recv().await?.map(|notice| Notice {
            channel: notice.channel().to_owned(),
            payload: notice.payload().to_owned(),
        }))
    }
}

/// Sends an empty notice.
///
/// # Errors
/// When the database cannot be reached.
pub async fn notify(db: &Db, channel: &str) -> Result<()> {
    sqlx::query("select pg_notify($1, '')").bind(channel).execute(&db.pool).await?;
    Ok(())
}
