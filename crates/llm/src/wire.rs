//! The vendors' formats: one file each, `write` for the request, `read` for the answer.

pub mod anthropic;
pub mod gemini;
pub mod openai;

use serde_json::Value;

use crate::{Billed, Error};

/// The name our schema has in requests that want one.
const NAME: &str = "answer";

/// Reads the model's text as JSON, a fence of backticks around it taken off.
fn parse(text: &str, billed: Billed) -> Result<Value, Error> {
    let text = text.trim();
    let inner = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|it| it.strip_suffix("```"));
    serde_json::from_str(inner.unwrap_or(text)).map_err(|_| Error::Malformed(billed))
}
