//! The models we know: where they are reached, what they can do, what they cost.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::money::MicroUsd;
use serde::Deserialize;

use crate::Error;

/// Which protocol a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// OpenAI's chat completions, as many others speak them.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
}

/// How far a provider holds an answer to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// The answer follows the schema.
    Strict,
    /// The answer is JSON; the schema is part of the prompt.
    Json,
}

/// Who serves a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The protocol.
    pub wire: Wire,
    /// The address before `/chat/completions` and the like.
    pub base_url: String,
    /// The environment variable with the key.
    pub key: String,
    /// How far it holds to schemas.
    pub schema: Schema,
}

/// A model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Our name for it.
    pub alias: String,
    /// The provider's name in this catalogue.
    pub provider: String,
    /// The provider's name for it.
    pub id: String,
    /// Whether it can look at pictures.
    pub vision: bool,
    /// Whether it reasons before it answers: such models take no temperature.
    #[serde(default)]
    pub reasoning: bool,
    /// The price of a million input tokens.
    pub input_micros: MicroUsd,
    /// The price of a million cached input tokens; the full price where none is given.
    pub cached_micros: Option<MicroUsd>,
    /// The price of a million output tokens, reasoning included.
    pub output_micros: MicroUsd,
}

/// Every model and provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// From when on its prices count.
    pub valid_from: toml::value::Datetime,
    /// The alias used where nothing is asked for.
    pub default: String,
    /// Aliases by preset.
    pub preset: BTreeMap<String, String>,
    /// Providers by name.
    pub provider: BTreeMap<String, Provider>,
    /// The models.
    pub model: Vec<Model>,
}

static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../../../infra/models.toml"))
        .expect("infra/models.toml is built in and tested")
});

impl Catalogue {
    /// The catalogue of this build: `infra/models.toml`.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// When it is no such catalogue, an unknown key included.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The model of this name: alias, preset, or full id; upper and lower case alike.
    ///
    /// # Errors
    /// When no model is called that.
    pub fn resolve(&self, name: &str) -> Result<(&Model, &Provider), Error> {
        let unknown = || Error::UnknownModel(name.to_owned());
        let wanted = name.trim();
        let by_alias = |alias: &str| self.model.iter().find(|model| model.alias.eq_ignore_ascii_case(alias));
        let preset = || {
            self.preset
                .iter()
                .find(|(preset, _)| preset.eq_ignore_ascii_case(wanted))
                .and_then(|(_, alias)| by_alias(alias))
        };
        let by_id = || self.model.iter().find(|model| model.id.eq_ignore_ascii_case(wanted));
        let model = by_alias(wanted).or_else(preset).or_else(by_id).ok_or_else(unknown)?;
        let provider = self.provider.get(&model.provider).ok_or_else(unknown)?;
        Ok((model, provider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_resolve_as_alias_preset_or_id_in_any_case() {
        let book = Catalogue::built_in();
        for (name, alias) in [
            ("GPT-4o-mini", "gpt-4o-mini"),
            ("Premium", "gpt-5.2"),
            ("qwen/qwen3-vl-8b-instruct", "qwen3-8b"),
        ] {
            assert_eq!(book.resolve(name).expect("known").0.alias, alias);
        }
        assert!(matches!(book.resolve("gpt-9"), Err(Error::UnknownModel(_))));
    }

    #[test]
    fn every_entry_points_to_something() {
        let book = Catalogue::built_in();
        assert_eq!(book.model.len(), 30);
        for model in &book.model {
            assert!(book.provider.contains_key(&model.provider), "{}", model.alias);
            assert!(
                model.input_micros > MicroUsd::ZERO && model.output_micros > MicroUsd::ZERO,
                "{}",
                model.alias
            );
        }
        for alias in book.preset.values().chain([&book.default]) {
            assert!(book.model.iter().any(|model| model.alias == *alias), "{alias}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(Catalogue::parse("default = 'x'\ncolour = 'red'\n[preset]\n[provider]\n").is_err());
    }
}
