//! A model's server in the wire format of `OpenAI`, with answers for the pages that need one.

use anyhow::Result;
use axum::Json;
use axum::routing::post;
use serde_json::{Value, json};

/// Bytes per token: fewer than real tokenizers need for English and JSON (about four), so that costs come out too high.
const BYTES: usize = 3;

/// The server; ends with the program.
pub(super) struct Model {
    url: String,
}

impl Model {
    pub(super) async fn start() -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = axum::Router::new().route("/chat/completions", post(complete));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

async fn complete(Json(body): Json<Value>) -> Json<Value> {
    let prompt = body["messages"][1]["content"].as_str().unwrap_or_default();
    let answers: Vec<Value> = questions(prompt).iter().map(answer).collect();
    let content = json!({ "answers": answers }).to_string();
    let usage = json!({
        "prompt_tokens": body.to_string().len().div_ceil(BYTES),
        "completion_tokens": content.len().div_ceil(BYTES),
    });
    let choice = json!({ "message": { "content": content }, "finish_reason": "stop" });
    Json(json!({ "id": "bench", "choices": [choice], "usage": usage }))
}

/// The questions of a prompt: the JSON between its marks.
fn questions(prompt: &str) -> Vec<Value> {
    let fenced = prompt.split_once(">\n").and_then(|(_, rest)| rest.rsplit_once("\n</"));
    fenced.and_then(|(questions, _)| serde_json::from_str(questions).ok()).unwrap_or_default()
}

fn answer(asked: &Value) -> Value {
    let text = asked["question"].as_str().unwrap_or_default();
    let (kind, fact, options, words) = match text {
        _ if text.contains("engine did you last") => ("option", "work_history_1_company", vec![3], ""),
        _ if text.contains("Describe the team") => ("fact", "work_history_1_description", vec![], ""),
        _ if text.contains("Notice period") => ("text", "notice_period", vec![], "4"),
        _ if text.contains("Salary expectations") => ("text", "salary_expectation", vec![], "120,000 USD"),
        _ => ("unknown", "", vec![], ""),
    };
    json!({ "id": asked["id"], "kind": kind, "fact": fact, "options": options, "text": words })
}
