//! `GET /models`: the models a job may name, from `infra/models.toml`. Open to everyone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use domain::money::MicroUsd;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::openapi;
use crate::usd::Usd;

/// What a price is for.
const UNIT: &str = "per_million_tokens";

/// The file, as far as it is shown.
#[derive(Deserialize)]
struct File {
    default: String,
    preset: BTreeMap<String, String>,
    model: Vec<FileModel>,
}

#[derive(Deserialize)]
struct FileModel {
    alias: String,
    provider: String,
    id: String,
    #[serde(default)]
    vision: bool,
    input_micros: MicroUsd,
    output_micros: MicroUsd,
    note: Option<String>,
}

/// Every model and every preset.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelList {
    models: Vec<Model>,
    presets: Vec<Preset>,
    default: String,
    total: usize,
}

/// A model.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub struct Model {
    alias: String,
    model: String,
    provider: String,
    provider_name: String,
    vision: bool,
    cost: Cost,
    note: Option<String>,
}

/// What it costs, in dollars.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ModelCost)]
pub struct Cost {
    #[schema(value_type = f64)]
    input: Usd,
    #[schema(value_type = f64)]
    output: Usd,
    unit: &'static str,
}

/// A name that stands for a model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preset {
    name: String,
    description: &'static str,
    model: String,
}

/// The list as it was built in; `None` only if the file were wrong, which a test rules out.
static LIST: LazyLock<Option<ModelList>> =
    LazyLock::new(|| toml::from_str::<File>(include_str!("../../../infra/models.toml")).ok().map(list));

/// Lists the models.
#[utoipa::path(
    get,
    path = "/models",
    tag = "account",
    responses(
        (status = 200, description = "Every model and preset", body = ModelList),
        openapi::Open,
    ),
)]
pub async fn list_models() -> Json<Option<&'static ModelList>> {
    Json(LIST.as_ref())
}

fn list(file: File) -> ModelList {
    let models: Vec<_> = file
        .model
        .into_iter()
        .map(|model| Model {
            provider_name: name_of(&model.provider).to_owned(),
            alias: model.alias,
            model: model.id,
            provider: model.provider,
            vision: model.vision,
            cost: Cost { input: Usd(model.input_micros), output: Usd(model.output_micros), unit: UNIT },
            note: model.note,
        })
        .collect();
    let presets =
        file.preset.into_iter().map(|(name, model)| Preset { description: describe(&name), name, model });
    ModelList { presets: presets.collect(), default: file.default, total: models.len(), models }
}

/// The name of a provider as it writes itself.
fn name_of(provider: &str) -> &str {
    match provider {
        "anthropic" => "Anthropic",
        "deepseek" => "DeepSeek",
        "google" => "Google",
        "minimax" => "MiniMax",
        "moonshot" => "Moonshot",
        "openai" => "OpenAI",
        "qwen-alibaba" => "Alibaba",
        "siliconflow" => "SiliconFlow",
        "zhipu" => "Zhipu",
        other => other,
    }
}

fn describe(preset: &str) -> &'static str {
    match preset {
        "speed" => "The cheapest and fastest model that fills forms",
        "balanced" => "A good answer for a small price",
        "quality" => "The best open model, which thinks before it answers",
        "premium" => "The best model there is, whatever it costs",
        _ => "A name for a model of the list",
    }
}

#[cfg(test)]
mod tests {
    use super::LIST;

    #[test]
    fn the_file_lists_every_model_and_only_known_ones_are_presets() {
        let list = LIST.as_ref().expect("infra/models.toml has the shape this module reads");
        let is_known = |alias: &str| list.models.iter().any(|model| model.alias == alias);
        assert!(is_known(&list.default), "{}", list.default);
        for preset in &list.presets {
            assert!(is_known(&preset.model), "{} stands for {}", preset.name, preset.model);
        }
        assert_eq!(list.total, list.models.len());
    }
}
