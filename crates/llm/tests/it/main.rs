//! The client against servers that answer in each vendor's own format.

mod vendor;

use llm::{Catalogue, Client, Error, Request, Usage};
use serde_json::{Value, json};
use vendor::{Answer, Vendor};

fn request() -> Request {
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": false});
    Request { system: "Be brief.".into(), user: "What is x?".into(), schema, max_tokens: 100 }
}

fn client(vendor: &Vendor, model: &str) -> Client {
    let catalogue = Catalogue::built_in();
    let provider = catalogue.resolve(model).expect("known").0.provider.to_uppercase();
    let base = (format!("GH_{provider}_BASE_URL"), vendor.url.clone());
    let lookup = |name: &str| {
        if name == base.0 {
            Some(base.1.clone())
        } else {
            name.ends_with("_API_KEY").then(|| "k-1".to_owned())
        }
    };
    Client::from_lookup(catalogue, model, lookup).expect("a client")
}

fn openai(content: &str) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content, "refusal": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 20, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 10}}})
}

#[tokio::test]
async fn openai_is_asked_for_its_strict_schema_and_billed_by_class() {
    let vendor = Vendor::start([Answer::ok(openai("{\"x\":1}")).header("x-request-id", "req_9")]).await;
    let reply = client(&vendor, "gpt-4o-mini").complete(&request()).await.expect("an answer");
    assert_eq!(reply.json, json!({"x": 1}));
    assert_eq!(reply.usage, Usage { input: 100, cached: 20, output: 20, reasoning: 10 });
    assert_eq!(reply.request_id.as_deref(), Some("req_9"));
    let [call] = vendor.calls().try_into().expect("one call");
    assert_eq!(
        (call.path.as_str(), call.headers["authorization"].as_str()),
        ("/chat/completions", "Bearer k-1")
    );
    assert_eq!(call.body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(call.body["max_completion_tokens"], 100);
    assert_eq!(call.body["temperature"], 0);
}

#[tokio::test]
async fn providers_without_schemas_get_the_schema_in_the_prompt() {
    let vendor = Vendor::start([Answer::ok(openai("```json\n{\"x\":2}\n```"))]).await;
    let reply = client(&vendor, "deepseek-chat").complete(&request()).await.expect("an answer");
    assert_eq!(reply.json, json!({"x": 2}));
    let call = vendor.calls().remove(0);
    assert_eq!(call.body["response_format"], json!({"type": "json_object"}));
    assert!(call.body["messages"][0]["content"].as_str().expect("text").contains("additionalProperties"));
    assert_eq!(call.body["max_tokens"], 100);
}

#[tokio::test]
async fn anthropic_answers_through_a_forced_tool() {
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Here:"}, {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": {"x": 3}}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 50, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 40, "output_tokens": 12}});
    let vendor = Vendor::start([Answer::ok(body).header("request-id", "req_a")]).await;
    let reply = client(&vendor, "claude-haiku").complete(&request()).await.expect("an answer");
    assert_eq!(reply.json, json!({"x": 3}));
    assert_eq!(reply.usage, Usage { input: 57, cached: 40, output: 12, reasoning: 0 });
    let call = vendor.calls().remove(0);
    assert_eq!((call.path.as_str(), call.headers["x-api-key"].as_str()), ("/messages", "k-1"));
    assert_eq!(call.headers["anthropic-version"], "2023-06-01");
    assert_eq!(call.body["tool_choice"], json!({"type": "tool", "name": "answer"}));
}

#[tokio::test]
async fn gemini_speaks_its_own_format() {
    let body = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "{\"x\""}, {"text": ":4}"}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 90, "cachedContentTokenCount": 30, "candidatesTokenCount": 8, "thoughtsTokenCount": 25, "totalTokenCount": 123},
        "modelVersion": "gemini-2.0-flash", "responseId": "resp_1"});
    let vendor = Vendor::start([Answer::ok(body)]).await;
    let reply = client(&vendor, "gemini-2.0-flash").complete(&request()).await.expect("an answer");
    assert_eq!(reply.json, json!({"x": 4}));
    assert_eq!(reply.usage, Usage { input: 60, cached: 30, output: 8, reasoning: 25 });
    assert_eq!(reply.request_id.as_deref(), Some("resp_1"));
    let call = vendor.calls().remove(0);
    assert_eq!(
        (call.path.as_str(), call.headers["x-goog-api-key"].as_str()),
        ("/models/gemini-2.0-flash:generateContent", "k-1")
    );
    assert_eq!(call.body["generationConfig"]["responseMimeType"], "application/json");
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_after_the_time_it_names() {
    let busy = Answer::status(429, json!({"error": {"message": "slow down", "type": "rate_limit_error"}}))
        .header("retry-after", "0.2");
    let broken = Answer::status(
        529,
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let vendor = Vendor::start([busy, broken, Answer::ok(openai("{\"x\":5}"))]).await;
    let began = std::time::Instant::now();
    let reply = client(&vendor, "gpt-4o-mini").complete(&request()).await.expect("an answer");
    assert_eq!(reply.json, json!({"x": 5}));
    assert_eq!(vendor.calls().len(), 3);
    assert!(began.elapsed() >= std::time::Duration::from_millis(200));
}

#[tokio::test]
async fn the_third_failure_is_the_last() {
    let busy = || {
        Answer::status(
            429,
            json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "0.01s"}]}}),
        )
    };
    let vendor = Vendor::start([busy(), busy(), busy(), busy()]).await;
    let error = client(&vendor, "gemini-2.0-flash").complete(&request()).await.expect_err("busy");
    assert!(matches!(error, Error::RateLimited(Some(_))), "{error}");
    assert_eq!(vendor.calls().len(), 3);
}

#[tokio::test]
async fn errors_are_told_apart_by_what_can_be_done() {
    type Check = fn(&Error) -> bool;
    let cases: [(Answer, Check); 5] = [
        (Answer::status(401, json!({"error": {"message": "Incorrect API key"}})), |error| {
            matches!(error, Error::Auth(401))
        }),
        (
            Answer::status(400, json!({"error": {"message": "bad schema"}})),
            |error| matches!(error, Error::Rejected { status: 400, message } if message == "bad schema"),
        ),
        (Answer::status(429, json!({"error": {"code": "insufficient_quota", "message": "pay"}})), |error| {
            matches!(error, Error::Rejected { status: 429, .. })
        }),
        (Answer::ok(openai("not json")), |error| error.billed().is_some_and(|it| it.usage.total() == 150)),
        (
            Answer::ok(
                json!({"choices": [{"message": {"content": "{"}, "finish_reason": "length"}], "usage": {}}),
            ),
            |error| matches!(error, Error::Truncated(_)),
        ),
    ];
    for (answer, expected) in cases {
        let vendor = Vendor::start([answer]).await;
        let error = client(&vendor, "gpt-4o-mini").complete(&request()).await.expect_err("no answer");
        assert!(expected(&error), "{error:?}");
        assert_eq!(vendor.calls().len(), 1, "{error:?} must not be repeated");
    }
}

#[test]
fn a_missing_key_is_named_and_a_key_is_never_printed() {
    let error = Client::from_lookup(Catalogue::built_in(), "gpt-4o", |_| None).expect_err("no key");
    assert_eq!(error.to_string(), "OPENAI_API_KEY is not set");
    let key = |name: &str| (name == "OPENAI_API_KEY").then(|| "sk-secret".to_owned());
    let client = Client::from_lookup(Catalogue::built_in(), "gpt-4o", key).expect("a client");
    assert!(!format!("{client:?}").contains("sk-secret"));
}
