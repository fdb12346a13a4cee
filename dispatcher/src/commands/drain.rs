//! `drain`: everything paused, and nothing running any more.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use store::ops::control;
use tokio::time::{Instant, sleep};

use super::report::{Report, span};
use super::settings::Settings;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// How long to wait.
#[derive(Args)]
pub struct Ask {
    /// Give up after so many seconds; everything stays paused.
    #[arg(long, default_value_t = 1800)]
    timeout: u32,
}

/// Pauses everything and waits.
pub async fn run(ask: &Ask, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    let db = settings.db()?;
    let tiers = domain::tier::NAMES;
    super::pause::pause(&db, settings, actor, &tiers).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(ask.timeout.into());
    let left = loop {
        let left = control::live(&db, &tiers).await?;
        if left.is_empty() || Instant::now() >= until {
            break left;
        }
        sleep(LOOK.min(until - Instant::now())).await;
    };
    let waited = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
    let value = json!({ "drained": left.is_empty(), "waited_seconds": waited, "still_running": left });
    if left.is_empty() {
        let text = format!("Drained in {}: everything is paused and nothing runs.", span(waited));
        return Ok(Report::new(&value, text)?);
    }
    let mut text = format!("Everything is paused, but after {} there still runs:\n", span(waited));
    for live in &left {
        let _ =
            writeln!(text, "  job {} ({}, attempt {}, {})", live.job_id, live.tier, live.attempt, live.state);
    }
    text.push_str("Wait longer, or `dispatcher pause --stop-running`.");
    Ok(Report::new(&value, text)?.with_code(1))
}
