//! The environment, one section a struct, through envy.

use serde::de::DeserializeOwned;

/// A variable that is missing or malformed.
#[derive(Debug, thiserror::Error)]
#[error("{prefix}{problem}")]
pub struct ConfigError {
    prefix: String,
    problem: String,
}

/// Reads a section: the fields of `T` in capitals, each with `prefix` before it.
///
/// A variable that is empty counts as absent, so that a line of an env file can be left blank.
///
/// # Errors
/// Names the variable that is missing or malformed.
pub fn load<T: DeserializeOwned>(prefix: &str) -> Result<T, ConfigError> {
    load_from(prefix, std::env::vars())
}

/// [`load`] from given variables, for tests.
///
/// # Errors
/// As [`load`].
pub fn load_from<T: DeserializeOwned>(
    prefix: &str,
    vars: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let vars = vars.filter(|(_, value)| !value.is_empty());
    envy::prefixed(prefix).from_iter(vars).map_err(|error| match error {
        envy::Error::MissingValue(field) => ConfigError {
            prefix: format!("{prefix}{}", field.to_uppercase()),
            problem: " is not set in the environment".into(),
        },
        envy::Error::Custom(problem) => ConfigError { prefix: format!("environment ({prefix}*): "), problem },
    })
}

#[cfg(test)]
mod tests {
    use super::load_from;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Section {
        url: String,
        port: Option<u16>,
    }

    fn vars(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    #[test]
    fn a_missing_variable_is_named_whole() {
        let error = load_from::<Section>("GH_", vars(&[])).expect_err("nothing is set").to_string();
        assert_eq!(error, "GH_URL is not set in the environment");
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let section: Section =
            load_from("GH_", vars(&[("GH_URL", "x"), ("GH_PORT", "")])).expect("url is set");
        assert_eq!(section, Section { url: "x".into(), port: None });
    }
}
