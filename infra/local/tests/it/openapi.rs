//! Every answer against Fly's own OpenAPI document (see README.md for where it comes from).
//!
//! Where the live API is known to differ from its document, this server follows the live API, and the difference is
//! listed here and nowhere else.

use crate::{
    schema::violations,
    stage::{Stage, job, machines},
};
use reqwest::Method;
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../fly-machines-openapi.json");

/// Paths in the document's words, with their methods, that this server has.
const SERVED: &[(&str, &[&str])] = &[
    ("/apps/{app_name}", &["get"]),
    ("/apps/{app_name}/machines", &["get", "post"]),
    ("/apps/{app_name}/machines/{machine_id}", &["get", "delete"]),
    ("/apps/{app_name}/machines/{machine_id}/start", &["post"]),
    ("/apps/{app_name}/machines/{machine_id}/stop", &["post"]),
    ("/apps/{app_name}/machines/{machine_id}/signal", &["post"]),
    ("/apps/{app_name}/machines/{machine_id}/wait", &["get"]),
    ("/apps/{app_name}/machines/{machine_id}/events", &["get"]),
    ("/apps/{app_name}/machines/{machine_id}/lease", &["get", "post", "delete"]),
    ("/apps/{app_name}/machines/{machine_id}/metadata", &["get", "put", "patch"]),
    ("/apps/{app_name}/machines/{machine_id}/metadata/{key}", &["get", "post", "delete"]),
    ("/platform/regions", &["get"]),
];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// One call: its path in the document, and the answer that came.
struct Seen {
    path: &'static str,
    method: Method,
    status: u16,
    body: Value,
}

impl Seen {
    fn check(&self, document: &Value) -> Vec<String> {
        let place = format!("{} {} {}", self.method, self.path, self.status);
        let operation = &document["paths"][self.path][self.method.as_str().to_ascii_lowercase()];
        let response = &operation["responses"][self.status.to_string()];
        if response.is_null() {
            // The document declares few errors; all that it does declare have one shape.
            let error = json!({"$ref": "#/components/schemas/ErrorResponse"});
            return if self.status >= 400 {
                violations(document, &error, &self.body, &place)
            } else {
                vec![format!("{place} is not declared")]
            };
        }
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            // Declared without a body; the live API sends `{"ok":true}`, or what follows a start.
            let fields = self
                .body
                .as_object()
                .map(|body| body.keys().cloned().collect::<Vec<_>>())
                .unwrap_or_default();
            let known = ["ok", "previous_state", "migrated", "new_host", "status", "data"];
            return fields
                .into_iter()
                .filter(|field| !known.contains(&field.as_str()))
                .map(|field| format!("{place}.{field}"))
                .collect();
        }
        violations(document, schema, &self.as_documented(), &place)
    }

    /// The body with the known differences of the live API taken back.
    fn as_documented(&self) -> Value {
        let mut body = self.body.clone();
        if self.path.ends_with("/lease") {
            // The live API puts a lease in an envelope.
            body = body["data"].take();
        }
        if self.path == "/platform/regions" {
            // The live API writes these two keys with capitals.
            body = json!({"regions": body["Regions"], "nearest": body["Nearest"]});
        }
        body
    }
}

#[test]
fn every_path_and_method_served_is_in_the_document() {
    let document = document();
    for (path, methods) in SERVED {
        for method in *methods {
            assert!(document["paths"][path].get(method).is_some(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_what_the_document_declares() {
    let stage = Stage::new().await;
    let mut seen: Vec<Seen> = Vec::new();
    let one = "/apps/{app_name}/machines/{machine_id}";
    let mut call =
        async |method: Method, path: &'static str, url: String, body: Option<Value>, nonce: &str| {
            let headers = [("fly-machine-lease-nonce", nonce)];
            let reply = stage.caller.try_call_with(method.clone(), &url, body, &headers).await.unwrap();
            let body = if reply.body == json!("") { Value::Null } else { reply.body };
            seen.push(Seen { path, method, status: reply.status, body: body.clone() });
            (reply.status, body)
        };
    let (get, post, put, patch, delete) =
        (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);

    call(get.clone(), "/apps/{app_name}", "/v1/apps/runner".to_owned(), None, "").await;
    call(get.clone(), "/platform/regions", "/v1/platform/regions".to_owned(), None, "").await;
    let mut config = job("sleep 60");
    config["metadata"] = json!({"a": "b"});
    config["env"] = json!({"C": "d"});
    config["dns"] = json!({"skip_registration": true});
    config["guest"] = json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 1024});
    let create =
        json!({"name": "m", "region": "ams", "skip_launch": true, "lease_ttl": 60, "config": config});
    let list = "/apps/{app_name}/machines";
    let (status, machine) = call(post.clone(), list, machines(""), Some(create.clone()), "").await;
    assert_eq!(status, 200);
    let (id, nonce) =
        (machine["id"].as_str().unwrap().to_owned(), machine["nonce"].as_str().unwrap().to_owned());
    let at = |rest: &str| machines(&format!("/{id}{rest}"));
    call(post.clone(), list, machines(""), Some(create), "").await;
    call(post.clone(), list, machines(""), Some(json!({"config": {"image": "none"}})), "").await;

    let wait = "/apps/{app_name}/machines/{machine_id}/wait";
    call(get.clone(), wait, at("/wait?state=stopped&timeout=10"), None, "").await;
    call(get.clone(), wait, at("/wait?timeout=99"), None, "").await;
    call(get.clone(), one, at(""), None, "").await;
    call(get.clone(), list, machines(""), None, "").await;
    call(get.clone(), list, machines("?summary=true"), None, "").await;

    let lease = "/apps/{app_name}/machines/{machine_id}/lease";
    call(post.clone(), lease, at("/lease"), Some(json!({"ttl": 60})), &nonce).await;
    call(post.clone(), lease, at("/lease"), Some(json!({"ttl": 60})), "other").await;
    call(get.clone(), lease, at("/lease"), None, "").await;
    call(delete.clone(), lease, at("/lease"), None, &nonce).await;
    call(get.clone(), lease, at("/lease"), None, "").await;

    let metadata = "/apps/{app_name}/machines/{machine_id}/metadata";
    let key = "/apps/{app_name}/machines/{machine_id}/metadata/{key}";
    call(put, metadata, at("/metadata"), Some(json!({"metadata": {"x": "y"}})), "").await;
    call(patch, metadata, at("/metadata"), Some(json!({"metadata": {"z": "1"}})), "").await;
    call(get.clone(), metadata, at("/metadata"), None, "").await;
    call(post.clone(), key, at("/metadata/k"), Some(json!({"value": "v"})), "").await;
    call(get.clone(), key, at("/metadata/k"), None, "").await;
    call(delete.clone(), key, at("/metadata/k"), None, "").await;
    call(get.clone(), key, at("/metadata/k"), None, "").await;

    let start = "/apps/{app_name}/machines/{machine_id}/start";
    call(post.clone(), start, at("/start"), None, "").await;
    call(get.clone(), wait, at("/wait?timeout=10"), None, "").await;
    call(post.clone(), start, at("/start"), None, "").await;
    call(delete.clone(), one, at(""), None, "").await;
    let signal = json!({"signal": "SIGUSR1"});
    call(post.clone(), "/apps/{app_name}/machines/{machine_id}/signal", at("/signal"), Some(signal), "")
        .await;
    let stop = "/apps/{app_name}/machines/{machine_id}/stop";
    call(post.clone(), stop, at("/stop"), Some(json!({"timeout": "1s"})), "").await;
    call(post, stop, at("/stop"), Some(json!([])), "").await;
    call(get.clone(), wait, at("/wait?state=destroyed&timeout=10"), None, "").await;
    call(get.clone(), "/apps/{app_name}/machines/{machine_id}/events", at("/events"), None, "").await;
    call(delete, one, at("?force=true"), None, "").await;
    call(get.clone(), one, at(""), None, "").await;
    call(get, list, machines("?include_deleted=true"), None, "").await;

    let document = document();
    let wrong: Vec<String> = seen.iter().flat_map(|seen| seen.check(&document)).collect();
    assert_eq!(wrong, Vec::<String>::new());
    for (path, methods) in SERVED {
        for method in *methods {
            let called =
                |seen: &&Seen| seen.path == *path && seen.method.as_str().eq_ignore_ascii_case(method);
            let good = seen.iter().filter(called).any(|seen| seen.status < 300);
            assert!(good, "{method} {path} was not seen to succeed");
        }
    }
    stage.end().await;
}
