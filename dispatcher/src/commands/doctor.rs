//! `doctor`: whether a dispatcher has everything it needs, and what to do where it has not.

mod check;
mod database;
mod fleet;
mod outside;

use std::fmt::Write as _;

use dispatcher::config::Config;
use serde_json::json;

use super::report::Report;
use super::settings::Settings;
use check::{Check, Health};

/// Checks everything; what cannot be checked because of something else is left out.
pub async fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut checks = Vec::new();
    let config = match Config::from_env() {
        Ok(config) => {
            checks.push(Check::ok("environment", "every variable is set"));
            Some(config)
        }
        Err(error) => {
            let says = check::chain(&error);
            checks.push(Check::fail(
                "environment",
                says,
                "set the variable as docs/OPERATIONS.md says, and run this where the dispatcher runs",
            ));
            None
        }
    };
    checks.push(outside::tiers(settings));
    if let Some(config) = &config {
        checks.extend(outside::images(config));
    }
    checks.extend(database::checks(settings, config.as_ref()).await);
    if let Some(config) = &config {
        checks.extend(outside::fly(config).await);
    }

    let failed = checks.iter().filter(|check| check.health == Health::Fail).count();
    let warned = checks.iter().filter(|check| check.health == Health::Warn).count();
    let mut text: String = checks.iter().map(ToString::to_string).collect();
    let _ = write!(text, "{} checks, {failed} failed, {warned} to look at", checks.len());
    let value = json!({ "ok": failed == 0, "failed": failed, "warned": warned, "checks": checks });
    Ok(Report::new(&value, text)?.with_code(u8::from(failed > 0)))
}
