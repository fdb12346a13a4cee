//! The ledger's side of an invoice.

use super::{Exact, Period};
use crate::{Db, Result};

/// What an invoice has a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
    /// Machines while they are started, memory included.
    Machines,
    /// Root file systems of stopped machines.
    RootFileSystems,
    /// Tokens of models.
    Models,
}

/// One name of the ledger, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Part {
    /// Who is paid.
    pub provider: String,
    /// For what.
    pub sku: String,
    /// `machine`, `llm`, or the name of the overhead.
    pub name: String,
    /// How much of it.
    pub quantity: Exact,
    /// In what.
    pub unit: String,
    /// Together, in dollars.
    pub usd: Exact,
    /// Lines without a price.
    pub unpriced: i64,
}

impl Part {
    /// What the provider calls it.
    pub fn charge(&self) -> Charge {
        match (self.unit.as_str(), self.sku.as_str()) {
            ("token", _) => Charge::Models,
            (_, "rootfs.gb") => Charge::RootFileSystems,
            _ => Charge::Machines,
        }
    }
}

/// What the ledger has for one provider in a time, by name.
///
/// # Errors
/// When the database cannot be reached.
pub async fn ledger_parts(db: &Db, provider: &str, period: Period) -> Result<Vec<Part>> {
    let parts = sqlx::query_as(
        "select provider, sku, coalesce(overhead, kind) as name, sum(quantity) as quantity, unit,
           coalesce(sum(cost_usd), 0) as usd, count(*) filter (where unpriced) as unpriced
         from gh_cost_lines where provider = $1 and used_at >= $2 and used_at < $3
         group by provider, sku, 3, unit order by usd desc, sku, 3",
    )
    .bind(provider)
    .bind(period.from)
    .bind(period.to)
    .fetch_all(&db.pool)
    .await?;
    Ok(parts)
}
