//! Who applies, and what they answer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// The demo's own applicant and what the two forms must receive from them.
const SAMPLE: &str = include_str!("../../assets/demo.json");

/// A person's data as VALET sends it.
#[derive(Clone, Debug, Deserialize)]
pub struct Applicant {
    /// Facts: name, address, work history.
    pub user_data: Value,
    /// Answers to questions, by the question's text.
    #[serde(default)]
    pub qa_overrides: BTreeMap<String, String>,
}

impl Applicant {
    /// The demo's own applicant, who does not exist.
    #[expect(clippy::missing_panics_doc, reason = "the sample is part of this program and read by a test")]
    pub fn sample() -> Self {
        serde_json::from_str(SAMPLE).expect("the sample is well formed")
    }

    /// Reads a file with `user_data` and `qa_overrides`, or with the user data alone.
    ///
    /// # Errors
    /// When the file cannot be read or is not a JSON object.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let value: Value =
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        if value.get("user_data").is_some() {
            return Ok(serde_json::from_value(value)?);
        }
        anyhow::ensure!(value.is_object(), "{} is not a JSON object", file.display());
        Ok(Self { user_data: value, qa_overrides: BTreeMap::new() })
    }
}

/// What each form must have received from the sample applicant, by brand and field.
#[expect(clippy::missing_panics_doc, reason = "the sample is part of this program and read by a test")]
pub fn expected() -> BTreeMap<String, BTreeMap<String, String>> {
    let sample: Value = serde_json::from_str(SAMPLE).expect("the sample is well formed");
    serde_json::from_value(sample["expected"].clone()).expect("what is expected is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_well_formed_and_expects_something_of_both_forms() {
        assert_eq!(Applicant::sample().user_data["first_name"], "Alex");
        assert_eq!(expected().into_keys().collect::<Vec<_>>(), ["contoso", "northwind"]);
    }

    #[test]
    fn a_profile_may_be_the_user_data_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"first_name": "Kim"}"#).unwrap();
        let applicant = Applicant::read(file.path()).unwrap();
        assert_eq!(applicant.user_data["first_name"], "Kim");
        assert!(applicant.qa_overrides.is_empty());
    }
}
