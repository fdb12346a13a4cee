//! Anthropic's messages: the schema is a tool the model has to use.

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::NAME;
use crate::catalogue::Model;
use crate::{Billed, Error, Reply, Request, Usage};

/// The request.
pub fn write(
    http: &reqwest::Client,
    base: &str,
    key: &SecretString,
    model: &Model,
    request: &Request,
) -> RequestBuilder {
    let body = json!({
        "model": model.id,
        "max_tokens": request.max_tokens,
        "temperature": 0,
        "system": [{"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": request.user}],
        "tools": [{"name": NAME, "description": "Gives the answer.", "input_schema": request.schema}],
        "tool_choice": {"type": "tool", "name": NAME},
    });
    let sent = http.post(format!("{base}/messages")).header("x-api-key", key.expose_secret());
    sent.header("anthropic-version", "2023-06-01").json(&body)
}

/// The answer.
pub fn read(body: &Value, header: Option<String>) -> Result<Reply, Error> {
    let billed = Billed {
        usage: usage(&body["usage"]),
        request_id: header.or_else(|| body["id"].as_str().map(str::to_owned)),
    };
    match body["stop_reason"].as_str() {
        Some("max_tokens") => return Err(Error::Truncated(billed)),
        Some("refusal") => return Err(Error::Declined(billed)),
        _ => {}
    }
    let blocks = body["content"].as_array().into_iter().flatten();
    let json = blocks
        .filter(|block| block["type"] == "tool_use")
        .find_map(|block| block["input"].is_object().then(|| block["input"].clone()));
    let json = json.ok_or_else(|| Error::Malformed(billed.clone()))?;
    Ok(Reply { json, usage: billed.usage, request_id: billed.request_id })
}

/// `input_tokens` leaves cached ones out; what is written to the cache is billed as input.
fn usage(given: &Value) -> Usage {
    let count = |name: &str| given[name].as_u64().unwrap_or(0);
    Usage {
        input: count("input_tokens") + count("cache_creation_input_tokens"),
        cached: count("cache_read_input_tokens"),
        output: count("output_tokens"),
        reasoning: 0,
    }
}
