//! Addresses and keys inside the documents of a job: what a client writes below `metadata` and `input_data`, and somebody of ours
//! visits.

use std::collections::HashMap;

use domain::id::UserId;
use domain::net::{Reach, has_web_scheme};
use domain::storage_key::{self, KeyFault};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::fields::FieldError;
use crate::web_url;

/// What of `metadata` is visited: the callback and the résumé.
pub const IN_METADATA: [&str; 2] = ["callback_url", "resume_ref"];
/// The same of `input_data`.
pub const IN_INPUT: [&str; 2] = ["resume_path", "resume_ref"];

/// The names of a reference that hold a key of a storage.
const KEYS: [&str; 2] = ["storage_path", "s3_key"];

/// How far what a caller names may lead.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The addresses.
    pub reach: Reach,
    /// The one user whose files may be named; a service names anybody's.
    pub owner: Option<UserId>,
}

impl Bounds {
    /// Those of a caller.
    pub fn of(caller: Caller, reach: Reach) -> Self {
        let owner = match caller {
            Caller::Service => None,
            Caller::User(user) => Some(user),
        };
        Self { reach, owner }
    }

    fn key_fault(self, key: &str) -> Option<String> {
        let checked = match self.owner {
            Some(owner) => storage_key::check_own(owner, key),
            None => storage_key::check(key),
        };
        let fault = checked.err()?;
        let example = match (fault, self.owner) {
            (KeyFault::Foreign, Some(owner)) => format!(", as in {owner}/resume.pdf"),
            _ => String::new(),
        };
        Some(format!("{fault}{example}: {key}"))
    }
}

/// Finds what is wrong with the addresses and keys that stand under `names`.
///
/// Read as Postgres reads them: the last of two equal names counts, an escape in a name hides nothing, and no number is too large.
pub fn check(
    json: Option<&RawValue>,
    names: &[&str],
    at: &str,
    bounds: Bounds,
    faults: &mut Vec<FieldError>,
) {
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
            check_keys(value, &field, bounds, faults);
            let Some(url) = fields(value.get()).remove("download_url") else { continue };
            (value, field) = (url, format!("{field}.download_url"));
        }
        let fault = match serde_json::from_str(value.get()) {
            Ok(Value::String(text)) if text.is_empty() => None,
            Ok(Value::String(path)) if *name == "resume_path" && !has_web_scheme(&path) => {
                let is_file =
                    bounds.owner.is_none() && (path.starts_with('/') || path.starts_with("file://"));
                let fault = bounds.key_fault(&path).filter(|_| !is_file);
                faults.extend(fault.map(|fault| FieldError::new(&field, fault, "custom")));
                None
            }
            Ok(Value::String(url)) => web_url::check(&url, bounds.reach).err(),
            Ok(Value::Null) => None,
            _ => (*name == "callback_url").then_some("must be an http or https URL"),
        };
        faults.extend(fault.map(|fault| FieldError::new(field, fault, "invalid_string")));
    }
}

/// Finds what is wrong with the keys of a reference to a résumé; a reference that is a text is a key itself.
pub fn check_keys(reference: &RawValue, at: &str, bounds: Bounds, faults: &mut Vec<FieldError>) {
    let text = |json: &str| serde_json::from_str::<String>(json).ok().filter(|text| !text.is_empty());
    let fault = |field: String, key: &str| Some(FieldError::new(field, bounds.key_fault(key)?, "custom"));
    faults.extend(text(reference.get()).and_then(|key| fault(at.to_owned(), &key)));
    let named = fields(reference.get());
    let keys = KEYS.iter().filter_map(|name| Some((name, text(named.get(*name)?.get())?)));
    faults.extend(keys.filter_map(|(name, key)| fault(format!("{at}.{name}"), &key)));
}

/// The fields of an object as they came; none of anything else.
fn fields(json: &str) -> HashMap<String, &RawValue> {
    serde_json::from_str(json).unwrap_or_default()
}
