//! Text that would be SQL, wherever text is taken.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{body, operations};
use crate::harness::{KEY, Service, stranger, token, user};

/// Each would drop a table, read one, or sleep for four seconds if it reached a statement.
const TEXTS: [&str; 9] = [
    "'; drop table gh_automation_jobs; --",
    "' or '1'='1",
    "'; select pg_sleep(4); --",
    "(SELECT 1 FROM pg_sleep(4))",
    "(SELECT 1 FROM pg_sleep(4)):desc",
    "\\'; select pg_sleep(4); --",
    "' union select encode(token_sealed, 'hex') from gh_job_attempts --",
    "$1::text || $$x$$",
    "1; update gh_automation_jobs set user_id = '00000000-0000-0000-0000-000000000022'",
];
/// Less than the sleep, more than a request takes on a busy computer.
const LONG: Duration = Duration::from_millis(3500);

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Sends it and looks at the answer; whatever it is, it is an answer to the text as text.
async fn attack(request: RequestBuilder, what: &str) {
    let start = Instant::now();
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    assert!(status < 500, "{what}: {status}");
    if answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return;
    }
    let said = answer.text().await.expect("a whole answer");
    assert!(start.elapsed() < LONG, "{what} took {:?}", start.elapsed());
    for word in ["syntax error", "pg_catalog", "sqlx", "relation \\\""] {
        assert!(!said.contains(word), "{what}: {said}");
    }
}

/// Every place of `value` that holds a leaf, as a copy of the whole with `text` there; keys of objects too.
fn spoiled(value: &Value, text: &str) -> Vec<Value> {
    match value {
        Value::Object(fields) => {
            let mut all = Vec::new();
            for (name, inner) in fields {
                for inner in spoiled(inner, text) {
                    let mut copy = fields.clone();
                    copy.insert(name.clone(), inner);
                    all.push(Value::Object(copy));
                }
            }
            let mut more = fields.clone();
            more.insert(text.to_owned(), json!(text));
            all.push(Value::Object(more));
            all
        }
        Value::Array(items) => {
            let mut all = Vec::new();
            for (index, inner) in items.iter().enumerate() {
                for inner in spoiled(inner, text) {
                    let mut copy = items.clone();
                    copy[index] = inner;
                    all.push(Value::Array(copy));
                }
            }
            all
        }
        _ => vec![json!(text)],
    }
}

/// What must be the same afterwards: the other user's job, and that every table is there.
fn canary(service: &Service) -> Vec<Value> {
    service.rows(&format!(
        "select (select to_jsonb(j) from gh_automation_jobs j where user_id = '{}') as job,
            (select count(*) from pg_class where relname like 'gh\\_%' and relkind = 'r') as tables",
        stranger()
    ))
}

#[tokio::test]
async fn text_that_would_be_sql_is_text_in_every_parameter_of_every_route() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.job(json!({ "user_id": stranger(), "metadata": { "theirs": true } })).await;
    let before = canary(&service);
    let mut sent = 0;
    for operation in operations() {
        let parameters = operation.described["parameters"].as_array().cloned().unwrap_or_default();
        let usual = operation
            .path
            .replace("{id}", &id)
            .replace("{user}", &user().to_string())
            .replace("{domain}", "a.example");
        for parameter in &parameters {
            let (name, place) =
                (parameter["name"].as_str().expect("a name"), parameter["in"].as_str().expect("a place"));
            for text in TEXTS {
                let what = format!("{} {} {name}={text}", operation.method, operation.path);
                let request = |path: &str| {
                    service.request(operation.method.clone(), path).header("X-GH-Service-Key", KEY)
                };
                let request = match place {
                    "path" => {
                        let path = operation.path.replace(&format!("{{{name}}}"), &encoded(text));
                        request(&path.replace("{user}", &user().to_string()).replace("{domain}", "a.example"))
                    }
                    "query" => request(&format!("{usual}?{name}={}", encoded(text))),
                    "header" => request(&usual).header(name, text),
                    other => panic!("a parameter in {other}"),
                };
                attack(request, &what).await;
                sent += 1;
            }
        }
        let Some(body) = body(&operation.path, user()) else {
            assert!(
                operation.described["requestBody"].is_null(),
                "{} has a body that nothing here sends",
                operation.path
            );
            continue;
        };
        for text in TEXTS {
            for body in spoiled(&body, text) {
                let request = service
                    .request(operation.method.clone(), &usual)
                    .header("X-GH-Service-Key", KEY)
                    .json(&body);
                attack(request, &format!("{} {} {body}", operation.method, operation.path)).await;
                sent += 1;
            }
        }
    }
    assert!(sent > 1000, "{sent}");
    assert_eq!(canary(&service), before);
}

#[tokio::test]
async fn no_parameter_shows_a_user_more_than_their_own() {
    let service = Service::start().await;
    service.job(json!({ "user_id": stranger(), "metadata": { "secret": "of-the-stranger" } })).await;
    for name in ["user_id", "status", "job_type", "limit", "offset", "sort", "unknown"] {
        for text in TEXTS.into_iter().chain(["%", "_", "*", "' or user_id is not null --"]) {
            let path = format!("/api/v1/gh/jobs?{name}={}", encoded(text));
            let answer = service
                .request(Method::GET, &path)
                .bearer_auth(token(user()))
                .send()
                .await
                .expect("an answer");
            let said = answer.text().await.expect("a body");
            assert!(!said.contains("of-the-stranger"), "{path}: {said}");
        }
    }
}
