//! How the service and its jobs do: the checks, the numbers and the alerts behind `/monitoring`.

mod alerts;
mod checks;
mod numbers;
mod storage;

pub use alerts::{Alert, alerts};
pub use checks::{Condition, Health, health};
pub use numbers::{Numbers, exposition, numbers};
pub use storage::Storage;

use std::time::{Duration, Instant};

use store::pulse::{self, Totals};
use tokio::sync::Mutex;

/// For how long counted totals are shown again: `/monitoring/metrics` is open, and counting reads whole tables.
const FRESH: Duration = Duration::from_secs(10);

/// The totals as they were last counted; whoever asks while they are being counted waits for that count.
#[derive(Debug, Default)]
pub struct TotalsCache(Mutex<Option<(Instant, Option<Totals>)>>);

impl TotalsCache {
    /// The totals, or `None` when the database does not give them.
    pub async fn get(&self, db: &store::Db) -> Option<Totals> {
        let mut kept = self.0.lock().await;
        if let Some((at, totals)) = *kept
            && at.elapsed() < FRESH
        {
            return totals;
        }
        let totals = match pulse::totals(db).await {
            Ok(totals) => Some(totals),
            Err(error) => {
                tracing::warn!(%error, "the totals cannot be counted");
                None
            }
        };
        *kept = Some((Instant::now(), totals));
        totals
    }
}
