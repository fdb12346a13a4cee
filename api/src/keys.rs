//! `api keys rotate`: seals again, with the current key, what an earlier one sealed.

use anyhow::Context as _;
use clap::Subcommand;
use store::Db;
use store::keys;

use crate::config::Config;

/// What can be done about the encryption key.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seal again, with GH_ENCRYPTION_KEY, what GH_ENCRYPTION_KEY_PREVIOUS sealed. Harmless to repeat, and while everything runs.
    Rotate,
}

/// Does it, and returns what to print and whether everything opened.
///
/// # Errors
/// When no key is set, a key is malformed, or the database cannot be reached.
pub async fn run(command: &Command, config: &Config) -> anyhow::Result<(String, bool)> {
    let Command::Rotate = command;
    let sealer = config.sealer()?.context("GH_ENCRYPTION_KEY is not set")?;
    let db = Db::open(config.database()?, "ghosthands-keys", 1)?;
    let columns = keys::rotate(&db, &sealer).await?;
    let mut text = String::new();
    for column in &columns {
        text += &format!(
            "{}: {} sealed again with key {}, {} had it already, {} do not open\n",
            column.column,
            column.done,
            sealer.current(),
            column.current,
            column.closed.len()
        );
        for (id, why) in &column.closed {
            text += &format!("  {id}: {why}; it is left as it is\n");
        }
    }
    Ok((text, columns.iter().all(|column| column.closed.is_empty())))
}
