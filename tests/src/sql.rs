//! Plain SQL, as an operator types it: through `psql`, which comes with the server.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;

/// Runs statements, all or none; for what returns nothing.
///
/// # Errors
/// The database's own words when it refuses one, or takes longer than ten seconds.
pub fn execute(url: &str, text: &str) -> Result<()> {
    run(url, text).map(|_| ())
}

/// Runs one query and returns its rows, each read from the JSON object of its columns.
///
/// # Errors
/// The database's own words when it refuses the query, or a row that does not fit `T`.
pub fn rows<T: DeserializeOwned>(url: &str, query: &str) -> Result<Vec<T>> {
    let wrapped = format!("select coalesce(json_agg(rows), '[]') from ({query}) rows");
    let text = run(url, &wrapped)?;
    serde_json::from_str(text.trim()).with_context(|| format!("reading the rows of {query}"))
}

/// `text` as a quoted SQL literal.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn run(url: &str, text: &str) -> Result<String> {
    let folder = xtask::tools::postgres().filter(|folder| folder.join("psql").is_file());
    let program = folder.map_or_else(|| "psql".into(), |folder| folder.join("psql"));
    let output = Command::new(program)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--dbname", url, "--command", text])
        .env("PGCONNECT_TIMEOUT", "10")
        .env("PGOPTIONS", "-c statement_timeout=10s")
        .stdin(Stdio::null())
        .output()
        .context("running psql")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}
