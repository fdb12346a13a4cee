//! Addresses inside the documents of a job: what a client writes below `metadata` and `input_data`, and somebody of ours visits.

use std::collections::HashMap;

use domain::net::Reach;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fields::FieldError;
use crate::web_url;

/// What of `metadata` is visited: the callback and the résumé.
pub const IN_METADATA: [&str; 2] = ["callback_url", "resume_ref"];
/// The same of `input_data`.
pub const IN_INPUT: [&str; 2] = ["resume_path", "resume_ref"];

/// Finds what is wrong with the addresses that stand under `names`.
///
/// Read as Postgres reads them: the last of two equal names counts, an escape in a name hides nothing, and no number is too large.
pub fn check(json: Option<&RawValue>, names: &[&str], at: &str, reach: Reach, faults: &mut Vec<FieldError>) {
    let Some(text) = json.map(RawValue::get) else { return };
    // Few name one: the rest is not read twice.
    if !names.iter().chain(&["\\"]).any(|part| text.contains(part)) {
        return;
    }
    let named = fields(text);
    for name in names {
        let Some(mut value) = named.get(*name).copied() else { continue };
        let mut field = format!("{at}.{name}");
        if *name == "resume_ref" {
            let Some(url) = fields(value.get()).remove("download_url") else { continue };
            (value, field) = (url, format!("{field}.download_url"));
        }
        let fault = match serde_json::from_str(value.get()) {
            Ok(Value::String(url)) if url.is_empty() || (*name == "resume_path" && !is_web(&url)) => None,
            Ok(Value::String(url)) => web_url::check(&url, reach).err(),
            Ok(Value::Null) => None,
            _ => (*name == "callback_url").then_some("must be an http or https URL"),
        };
        faults.extend(fault.map(|fault| FieldError::new(field, fault, "invalid_string")));
    }
}

/// Whether the path of a résumé is an address; any other is a key of the storage.
fn is_web(path: &str) -> bool {
    path.starts_with("http://") || path.starts_with("https://")
}

/// The fields of an object as they came; none of anything else.
fn fields(json: &str) -> HashMap<String, &RawValue> {
    serde_json::from_str(json).unwrap_or_default()
}
