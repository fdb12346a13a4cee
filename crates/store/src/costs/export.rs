//! Tables of any length, a page at a time, from one snapshot: a download is neither held in memory nor torn by a late line.

use sqlx::{Postgres, Transaction};

use super::{By, Period};
use crate::{Db, Result};

/// The columns of [`super::Sums`] behind its keys.
const SUMS: [&str; 13] = [
    "machine_usd",
    "llm_usd",
    "overhead_usd",
    "total_usd",
    "jobs",
    "completed",
    "per_success_usd",
    "wasted_usd",
    "p50_usd",
    "p95_usd",
    "max_usd",
    "lines",
    "unpriced",
];

/// What is written.
#[derive(Clone, Debug)]
pub enum Export {
    /// The sums of groups.
    Report(Vec<By>),
    /// Every line as a row of FOCUS 1.2.
    Focus,
}

/// A field as text, or nothing.
pub type Field = Option<String>;

/// A table that is being read.
#[derive(Debug)]
pub struct Pages {
    /// The names of its columns.
    pub columns: Vec<String>,
    rows: Transaction<'static, Postgres>,
}

impl Pages {
    /// Begins to read what was spent in a time. Holds a connection until it is dropped.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(db: &Db, what: &Export, period: Period) -> Result<Self> {
        let mut rows = db.pool.begin_with("begin isolation level repeatable read read only").await?;
        // Whoever reads slowly may take its time between two pages, but not for ever.
        sqlx::raw_sql("set local timezone = 'UTC'; set local idle_in_transaction_session_timeout = '30s'")
            .execute(&mut *rows)
            .await?;
        let columns = match what {
            Export::Report(by) => {
                let names: Vec<&str> = by.iter().map(|by| by.as_str()).collect();
                sqlx::query(
                    "declare rows no scroll cursor for
                     select keys || array[trim_scale(machine_usd)::text, trim_scale(llm_usd)::text, trim_scale(overhead_usd)::text,
                       trim_scale(total_usd)::text, jobs::text, completed::text, trim_scale(per_success_usd)::text,
                       trim_scale(wasted_usd)::text, trim_scale(p50_usd)::text, trim_scale(p95_usd)::text,
                       trim_scale(max_usd)::text, lines::text, unpriced::text]
                     from gh_cost_report($1, $2, $3)
                     order by case when $3[1] in ('day', 'month') then keys[1] end, total_usd desc, keys",
                )
                .bind(period.from)
                .bind(period.to)
                .bind(&names)
                .execute(&mut *rows)
                .await?;
                names.into_iter().chain(SUMS).map(str::to_owned).collect()
            }
            Export::Focus => {
                // The view is the mapping; its first two columns are ours, to choose and order by.
                sqlx::query(
                    "declare rows no scroll cursor for
                     select (array(select value from json_each_text(row_to_json(f))))[3:] from gh_focus_1_2 f
                     where used_at >= $1 and used_at < $2 order by used_at, id",
                )
                .bind(period.from)
                .bind(period.to)
                .execute(&mut *rows)
                .await?;
                sqlx::query_scalar(
                    "select attname::text from pg_attribute
                     where attrelid = 'gh_focus_1_2'::regclass and attnum > 2 and not attisdropped order by attnum",
                )
                .fetch_all(&mut *rows)
                .await?
            }
        };
        Ok(Self { columns, rows })
    }

    /// The next rows; none when there are no more.
    ///
    /// # Errors
    /// When the database cannot be reached, or nobody asked for half a minute.
    pub async fn next(&mut self) -> Result<Vec<Vec<Field>>> {
        Ok(sqlx::query_scalar("fetch 1000 from rows").fetch_all(&mut *self.rows).await?)
    }
}
