//! What `runner fill` writes: every field seen, what it was given, and why.

use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::record::Record;

/// The report of one run.
pub fn report(url: &str, outcome: &Outcome, record: &Record) -> Value {
    json!({
        "url": url,
        "final_url": record.url,
        "outcome": {
            "class": outcome.class,
            "error_code": outcome.code,
            "message": outcome.message,
            "submitted": outcome.submitted(),
            "confirmation": outcome.receipt,
            "blocker": outcome.blocker,
        },
        "complete": !record.lines.is_empty() && record.lines.iter().all(|line| !line.required || line.state.is_settled()),
        "pages": record.pages,
        "fields": record.lines,
        "summary": record.summary(),
        "model_calls": record.calls,
        "screenshots": record.screenshots,
        "actions": record.actions,
        "seconds": record.started.elapsed().as_secs_f64(),
    })
}
