//! Whether the database is what the dispatcher needs, for `doctor`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::AttemptId;

use super::why::{self, Leader};
use crate::seal::Sealer;
use crate::{Db, MIGRATOR, Result, token};

/// How the database's migrations differ from this program's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrations {
    /// Not applied, or not to the end.
    pub missing: Vec<String>,
    /// Applied with another text.
    pub changed: Vec<String>,
    /// Unknown to this program.
    pub newer: Vec<String>,
    /// How many are as they should be.
    pub applied: usize,
}

/// Compares the migrations.
///
/// # Errors
/// When the database cannot be reached.
pub async fn migrations(db: &Db) -> Result<Migrations> {
    let kept: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&db.pool).await?;
    let rows: Vec<(i64, bool, Vec<u8>, String)> = if kept {
        sqlx::query_as(
            "select version, success, checksum, description from _sqlx_migrations order by version",
        )
        .fetch_all(&db.pool)
        .await?
    } else {
        Vec::new()
    };
    let mut applied: HashMap<i64, _> =
        rows.into_iter().map(|(version, success, sum, name)| (version, (success, sum, name))).collect();
    let mut migrations = Migrations::default();
    for ours in MIGRATOR.iter() {
        let name = format!("{:04} {}", ours.version, ours.description);
        match applied.remove(&ours.version) {
            Some((true, sum, _)) if *sum == *ours.checksum => migrations.applied += 1,
            Some((true, ..)) => migrations.changed.push(name),
            _ => migrations.missing.push(name),
        }
    }
    let mut newer: Vec<_> =
        applied.into_iter().map(|(version, (_, _, name))| format!("{version:04} {name}")).collect();
    newer.sort();
    migrations.newer = newer;
    Ok(migrations)
}

/// Which of these triggers are missing or switched off; each is a table and a trigger of it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn missing_triggers(db: &Db, wanted: &[(&str, &str)]) -> Result<Vec<String>> {
    let (tables, triggers): (Vec<&str>, Vec<&str>) = wanted.iter().copied().unzip();
    let missing = sqlx::query_scalar(
        "select w.trigger from unnest($1::text[], $2::text[]) as w (tab, trigger)
         where not exists (select 1 from pg_trigger t
                           where t.tgrelid = to_regclass(w.tab) and t.tgname = w.trigger and t.tgenabled in ('O', 'A'))",
    )
    .bind(tables)
    .bind(triggers)
    .fetch_all(&db.pool)
    .await?;
    Ok(missing)
}

/// Which of these indexes are missing, not valid, or not unique although they must be; with what is wrong.
///
/// # Errors
/// When the database cannot be reached.
pub async fn broken_indexes(db: &Db, wanted: &[(&str, bool)]) -> Result<Vec<(String, String)>> {
    let (names, unique): (Vec<&str>, Vec<bool>) = wanted.iter().copied().unzip();
    let broken = sqlx::query_as(
        "select w.name, case when i.indexrelid is null then 'missing' when not i.indisvalid then 'not valid' else 'not unique' end
         from unnest($1::text[], $2::bool[]) as w (name, is_unique)
         left join pg_index i on i.indexrelid = to_regclass(w.name)
         where i.indexrelid is null or not i.indisvalid or (w.is_unique and not i.indisunique)",
    )
    .bind(names)
    .bind(unique)
    .fetch_all(&db.pool)
    .await?;
    Ok(broken)
}

/// The role the runners log in with.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct RunnerRole {
    /// Whether it may log in.
    pub can_login: bool,
    /// Whether rules do not hold for it: a superuser, or one that passes by row level security.
    pub above_rules: bool,
    /// The tables it may read or write. There should be none.
    pub tables: Vec<String>,
}

/// Reads the runner's role; `None` when there is none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn runner_role(db: &Db) -> Result<Option<RunnerRole>> {
    let role = sqlx::query_as(
        "select r.rolcanlogin as can_login, r.rolsuper or r.rolbypassrls as above_rules,
           array(select c.relname::text from pg_class c
                 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and c.relname like 'gh\\_%'
                   and (has_any_column_privilege(r.oid, c.oid, 'select, insert, update')
                        or has_table_privilege(r.oid, c.oid, 'delete, truncate'))
                 order by 1) as tables
         from pg_roles r where r.rolname = 'gh_runner'",
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(role)
}

/// The lease; `None` before any dispatcher has led.
///
/// # Errors
/// When the database cannot be reached.
pub async fn leader(db: &Db) -> Result<Option<Leader>> {
    let mut connection = db.pool.acquire().await?;
    why::leader(&mut connection).await
}

/// When the newest attempt was made, if its token opens with the keys in force; `None` before there is one.
///
/// # Errors
/// [`crate::Error::Seal`] when it does not open, or when the database cannot be reached.
pub async fn newest_token(db: &Db, sealer: &Sealer) -> Result<Option<DateTime<Utc>>> {
    // Ids of attempts sort by time.
    let newest: Option<(AttemptId, Vec<u8>, DateTime<Utc>)> =
        sqlx::query_as("select id, token_sealed, claimed_at from gh_job_attempts order by id desc limit 1")
            .fetch_optional(&db.pool)
            .await?;
    let Some((attempt, sealed, at)) = newest else { return Ok(None) };
    token::open(sealer, attempt.0, &sealed)?;
    Ok(Some(at))
}
