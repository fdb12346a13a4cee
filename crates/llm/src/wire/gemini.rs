//! Google's generateContent.

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::parse;
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
        "systemInstruction": {"parts": [{"text": request.system}]},
        "contents": [{"role": "user", "parts": [{"text": request.user}]}],
        "generationConfig": {
            "temperature": 0,
            "maxOutputTokens": request.max_tokens,
            "responseMimeType": "application/json",
            "responseJsonSchema": request.schema,
        },
    });
    let address = format!("{base}/models/{}:generateContent", model.id);
    http.post(address).header("x-goog-api-key", key.expose_secret()).json(&body)
}

/// The answer.
pub fn read(body: &Value, header: Option<String>) -> Result<Reply, Error> {
    let billed = Billed {
        usage: usage(&body["usageMetadata"]),
        request_id: body["responseId"].as_str().map(str::to_owned).or(header),
    };
    if body["promptFeedback"]["blockReason"].is_string() {
        return Err(Error::Declined(billed));
    }
    let candidate = &body["candidates"][0];
    match candidate["finishReason"].as_str() {
        Some("MAX_TOKENS") => return Err(Error::Truncated(billed)),
        Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII") => {
            return Err(Error::Declined(billed));
        }
        _ => {}
    }
    let parts = candidate["content"]["parts"].as_array().into_iter().flatten();
    let text: String =
        parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect();
    let json = parse(&text, billed.clone())?;
    Ok(Reply { json, usage: billed.usage, request_id: billed.request_id })
}

/// `promptTokenCount` counts cached tokens too; thoughts are counted beside the candidates.
fn usage(given: &Value) -> Usage {
    let count = |name: &str| given[name].as_u64().unwrap_or(0);
    let cached = count("cachedContentTokenCount");
    Usage {
        input: count("promptTokenCount").saturating_sub(cached),
        cached,
        output: count("candidatesTokenCount"),
        reasoning: count("thoughtsTokenCount"),
    }
}
