//! Brings a database to this version: tables, functions, rights, prices, the runner's login.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::{Result, db, prices};

/// The migrations, embedded; forward only.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Applies what is missing; a second run changes nothing.
///
/// `runner_password` lets the role `gh_runner` log in with it; without one the role is left as it is.
///
/// # Errors
/// When the database cannot be reached, or a migration fails (it is rolled back whole).
pub async fn migrate(url: &SecretString, runner_password: Option<&SecretString>) -> Result<()> {
    let mut connection = db::options(url, "ghosthands-migrate")?.connect().await?;
    sqlx::raw_sql("set lock_timeout = '10s'; set client_min_messages = warning")
        .execute(&mut connection)
        .await?;
    MIGRATOR.run(&mut connection).await?;
    prices::load(&mut connection).await?;
    if let Some(password) = runner_password {
        let_runner_log_in(&mut connection, password).await?;
    }
    connection.close().await?;
    Ok(())
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
