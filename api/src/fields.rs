//! What is wrong with which field: `{field, message, code}`, the codes being those VALET's readers know.

use serde::Serialize;
use utoipa::ToSchema;

/// One field that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its path, `input_data.user_data.email` or `jobs.3.priority`.
    pub field: String,
    /// What it must be.
    pub message: String,
    /// The kind of fault.
    pub code: &'static str,
}

impl FieldError {
    /// One fault.
    pub fn new(field: impl Into<String>, message: impl Into<String>, code: &'static str) -> Self {
        Self { field: field.into(), message: message.into(), code }
    }

    /// What serde found, at `path` below `prefix`.
    pub fn from_serde(prefix: &str, path: &str, error: &serde_json::Error) -> Self {
        let full = error.to_string();
        // serde_json appends " at line 1 column 2", which says nothing to someone who built the JSON from an object.
        let message = full.split(" at line ").next().unwrap_or(&full);
        let quoted = message.split('`').nth(1).unwrap_or_default();
        let path = if path == "." { "" } else { path };
        if message.starts_with("missing field") {
            Self::new(join(prefix, &join(path, quoted)), "Required", "invalid_type")
        } else if message.starts_with("unknown field") {
            // serde's path already ends with the unknown key.
            let parent = path.strip_suffix(quoted).map_or(path, |parent| parent.trim_end_matches('.'));
            Self::new(join(prefix, &join(parent, quoted)), message, "unrecognized_keys")
        } else if message.starts_with("duplicate field") {
            Self::new(join(prefix, &join(path, quoted)), "is there twice", "custom")
        } else {
            // What the readers of ids and of times say of a text.
            let (message, code) = match message {
                _ if message.starts_with("UUID") => ("must be a UUID", "invalid_string"),
                _ if ["input", "premature", "trailing input"]
                    .iter()
                    .any(|said| message.starts_with(said)) =>
                {
                    ("must be a time, as in 2026-11-26T10:00:00Z", "invalid_string")
                }
                other => (other, "invalid_type"),
            };
            Self::new(join(prefix, path), message, code)
        }
    }

    /// Everything garde found, below `prefix`.
    pub fn from_report(prefix: &str, report: &garde::Report) -> Vec<Self> {
        report
            .iter()
            .map(|(path, error)| {
                let path = path.to_string().replace('[', ".").replace(']', "");
                let (message, code) = in_our_words(error.message());
                Self::new(join(prefix, path.trim_start_matches('.')), message, code)
            })
            .collect()
    }
}

/// The sentence and code for what a rule of garde, or one of our own, says.
fn in_our_words(message: &str) -> (String, &'static str) {
    if message.starts_with("not set") {
        return ("Required".to_owned(), "invalid_type");
    }
    let code = match message {
        m if m.contains("lower than") => "too_small",
        m if m.contains("greater than") => "too_big",
        m if m.starts_with("not a valid") || m.starts_with("must be an http") => "invalid_string",
        m if m.starts_with("must be one of") => "invalid_enum_value",
        _ => "custom",
    };
    (message.to_owned(), code)
}

/// `prefix.path`, or the one that is not empty.
fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", path) => path.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use garde::Validate;

    #[derive(serde::Deserialize, Validate)]
    struct Sample {
        #[garde(length(chars, min = 1, max = 3))]
        name: String,
        #[garde(range(min = 1, max = 10))]
        rank: i32,
        #[garde(required, inner(email))]
        mail: Option<String>,
        #[garde(length(max = 2), inner(length(chars, max = 2)))]
        tags: Vec<String>,
    }

    #[test]
    fn every_rule_we_use_has_its_code() {
        let sample =
            Sample { name: String::new(), rank: 11, mail: Some("x".into()), tags: vec!["abc".into()] };
        let report = sample.validate().expect_err("four faults");
        let codes: Vec<_> = FieldError::from_report("jobs.2", &report)
            .into_iter()
            .map(|error| (error.field, error.code))
            .collect();
        let expected = [
            ("jobs.2.mail", "invalid_string"),
            ("jobs.2.name", "too_small"),
            ("jobs.2.rank", "too_big"),
            ("jobs.2.tags.0", "too_big"),
        ];
        assert_eq!(codes, expected.map(|(field, code)| (field.to_owned(), code)));
    }

    #[test]
    fn an_absent_field_is_required() {
        let sample = Sample { name: "a".into(), rank: 1, mail: None, tags: vec![] };
        let report = sample.validate().expect_err("mail is missing");
        assert_eq!(
            FieldError::from_report("", &report),
            [FieldError::new("mail", "Required", "invalid_type")]
        );
    }
}
