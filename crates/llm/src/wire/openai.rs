//! OpenAI's chat completions, as OpenAI and its many imitators speak them.

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{NAME, parse};
use crate::catalogue::{Model, Schema};
use crate::{Billed, Error, Reply, Request, Usage};

/// The request.
pub fn write(
    http: &reqwest::Client,
    base: &str,
    key: &SecretString,
    model: &Model,
    schema: Schema,
    request: &Request,
) -> RequestBuilder {
    let mut system = request.system.clone();
    let format = match schema {
        Schema::Strict => {
            json!({"type": "json_schema", "json_schema": {"name": NAME, "strict": true, "schema": request.schema}})
        }
        Schema::Json => {
            system.push_str("\nAnswer with one JSON object of this JSON schema and nothing else:\n");
            system.push_str(&request.schema.to_string());
            json!({"type": "json_object"})
        }
    };
    let mut body = json!({
        "model": model.id,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": request.user}],
        "response_format": format,
    });
    // OpenAI renamed the limit when models began to reason; the imitators kept the old name.
    let limit = if schema == Schema::Strict { "max_completion_tokens" } else { "max_tokens" };
    body[limit] = json!(request.max_tokens);
    if !model.reasoning {
        body["temperature"] = json!(0);
    }
    http.post(format!("{base}/chat/completions")).bearer_auth(key.expose_secret()).json(&body)
}

/// The answer.
pub fn read(body: &Value, header: Option<String>) -> Result<Reply, Error> {
    let billed = Billed {
        usage: usage(&body["usage"]),
        request_id: header.or_else(|| body["id"].as_str().map(str::to_owned)),
    };
    let choice = &body["choices"][0];
    let refused = choice["message"]["refusal"].as_str().is_some_and(|text| !text.is_empty());
    match choice["finish_reason"].as_str() {
        Some("content_filter") => return Err(Error::Declined(billed)),
        Some("length") => return Err(Error::Truncated(billed)),
        _ if refused => return Err(Error::Declined(billed)),
        _ => {}
    }
    let json = parse(choice["message"]["content"].as_str().unwrap_or_default(), billed.clone())?;
    Ok(Reply { json, usage: billed.usage, request_id: billed.request_id })
}

/// `prompt_tokens` counts cached ones too, `completion_tokens` those of reasoning.
fn usage(given: &Value) -> Usage {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (prompt, completion) = (count(&given["prompt_tokens"]), count(&given["completion_tokens"]));
    let cached = given["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap_or_else(|| count(&given["prompt_cache_hit_tokens"]));
    let reasoning = count(&given["completion_tokens_details"]["reasoning_tokens"]);
    Usage {
        input: prompt.saturating_sub(cached),
        cached,
        output: completion.saturating_sub(reasoning),
        reasoning,
    }
}
