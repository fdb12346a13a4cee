//! `GET /docs`: the description as a page for people. Plain HTML, because the security headers allow no script.

use std::fmt::Write;

use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    code{background:#f2f2f2;padding:.1em .3em}summary{cursor:pointer;padding:.3rem 0}table{border-collapse:collapse}\
    td,th{border:1px solid #ccc;padding:.2rem .6rem;text-align:left;vertical-align:top}";

/// The page.
pub fn page(description: &OpenApi) -> String {
    let json = serde_json::to_value(description).unwrap_or_default();
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>GhostHands</title><style>{STYLE}</style>\
         <h1>GhostHands</h1><p>{}</p><p>For programs: <a href=\"/openapi.json\">openapi.json</a></p>",
        escaped(text(&json["info"]["description"]))
    );
    for tag in json["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = write!(html, "<h2>{}</h2><p>{}</p>", escaped(name), escaped(text(&tag["description"])));
        for (path, methods) in fields(&json["paths"]) {
            for (method, operation) in fields(methods) {
                if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == name)) {
                    section(&mut html, path, method, operation);
                }
            }
        }
    }
    html.push_str("<h2>Bodies</h2>");
    for (name, schema) in fields(&json["components"]["schemas"]) {
        let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
        let name = escaped(name);
        let _ = write!(
            html,
            "<details id=\"{name}\"><summary><code>{name}</code></summary><pre>{}</pre></details>",
            escaped(&schema)
        );
    }
    html
}

fn section(html: &mut String, path: &str, method: &str, operation: &Value) {
    let (method, path) = (method.to_uppercase(), escaped(path));
    let summary = escaped(text(&operation["summary"]));
    let _ = write!(html, "<details><summary><code>{method} {path}</code> {summary}</summary><table>");
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        row(html, text(&parameter["name"]), text(&parameter["description"]));
    }
    if let Some(body) = reference(&operation["requestBody"]) {
        let body = escaped(body);
        let _ = write!(html, "<tr><td>body<td><a href=\"#{body}\"><code>{body}</code></a>");
    }
    for (status, response) in fields(&operation["responses"]) {
        row(html, status, text(&response["description"]));
    }
    html.push_str("</table></details>");
}

fn row(html: &mut String, name: &str, meaning: &str) {
    let _ = write!(html, "<tr><td><code>{}</code><td>{}", escaped(name), escaped(meaning));
}

/// The name of the schema a body refers to.
fn reference(body: &Value) -> Option<&str> {
    let schema = &body["content"]["application/json"]["schema"];
    let target = schema["$ref"]
        .as_str()
        .or_else(|| schema["oneOf"].as_array()?.iter().find_map(|s| s["$ref"].as_str()))?;
    target.rsplit('/').next()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
