//! Brings a database to this version: tables, functions, rights, prices, the runner's login.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::{Error, Result, db, prices};

/// The migrations, embedded; forward only.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Applies what is missing; a second run changes nothing. Returns the migrations that are newer than this program.
///
/// A database ahead of this program is what a release finds that is put back: it stays as it is, because each migration
/// lets the release before it work.
///
/// `runner_password` lets the role `gh_runner` log in with it; without one the role is left as it is.
///
/// # Errors
/// When the database cannot be reached, a migration fails (it is rolled back whole), or the database is of another history.
pub async fn migrate(url: &SecretString, runner_password: Option<&SecretString>) -> Result<Vec<String>> {
    let mut connection = db::options(url, "ghosthands-migrate")?.connect().await?;
    sqlx::raw_sql("set lock_timeout = '10s'; set client_min_messages = warning")
        .execute(&mut connection)
        .await?;
    let newer = newer(&mut connection).await?;
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    // It would take any unknown one, and not only newer ones; those are told apart above.
    migrator.set_ignore_missing(true).run(&mut connection).await?;
    prices::load(&mut connection).await?;
    if let Some(password) = runner_password {
        let_runner_log_in(&mut connection, password).await?;
    }
    connection.close().await?;
    Ok(newer)
}

/// What is applied that this program does not know, when all of it is newer than everything of ours.
async fn newer(connection: &mut PgConnection) -> Result<Vec<String>> {
    let kept: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !kept {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select version, description from _sqlx_migrations order by version")
            .fetch_all(&mut *connection)
            .await?;
    let mut applied: BTreeMap<i64, String> = rows.into_iter().collect();
    let missing: Vec<String> = MIGRATOR
        .iter()
        .filter(|ours| applied.remove(&ours.version).is_none())
        .map(|ours| name(ours.version, &ours.description))
        .collect();
    let newest = MIGRATOR.iter().map(|ours| ours.version).max().unwrap_or_default();
    let newer = applied.split_off(&(newest + 1));
    let newer: Vec<String> = newer.iter().map(|(version, text)| name(*version, text)).collect();
    if !applied.is_empty() {
        let unknown: Vec<String> = applied.iter().map(|(version, text)| name(*version, text)).collect();
        return Err(Error::History(format!(
            "it has {}, which this program does not know though it has later ones, up to {newest:04}",
            unknown.join(", ")
        )));
    }
    if !newer.is_empty() && !missing.is_empty() {
        return Err(Error::History(format!(
            "it has the later {} and lacks {}",
            newer.join(", "),
            missing.join(", ")
        )));
    }
    Ok(newer)
}

fn name(version: i64, description: &str) -> String {
    format!("{version:04} {description}")
}

/// `alter role` takes no parameters, so the password travels as a setting of the transaction and is quoted by the server.
async fn let_runner_log_in(connection: &mut PgConnection, password: &SecretString) -> Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select set_config('gh.runner_password', $1, true)")
        .bind(password.expose_secret())
        .execute(&mut *transaction)
        .await?;
    sqlx::raw_sql(
        "do $$ begin execute format('alter role gh_runner login password %L', current_setting('gh.runner_password')); end $$",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
