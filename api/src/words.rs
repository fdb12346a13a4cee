//! The closed lists of words a field may hold. Each is written once and read twice: by the rule, and by the description.

use serde_json::Value;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident: $words:expr;)+) => { $(
        $(#[$doc])*
        pub mod $name {
            const WORDS: &[&str] = &$words;

            /// A rule of garde: one of these words, or nothing.
            pub fn rule<C>() -> impl FnOnce(&Option<String>, &C) -> garde::Result {
                super::one_of(WORDS)
            }

            /// The same, as it is described.
            pub fn described() -> utoipa::openapi::schema::Object {
                super::described(WORDS)
            }
        }
    )+ };
}

lists! {
    /// The tiers a job may name. Who may use which is the account's to say.
    tier: domain::tier::NAMES;
    /// The platforms with rules of their own, and what VALET calls the rest.
    platform: ["linkedin", "greenhouse", "lever", "workday", "icims", "taleo", "smartrecruiters", "amazon", "other", "unknown"];
    /// The ways to work, as the column's check knows them.
    execution_mode: ["auto", "ai_only", "cookbook_only", "hybrid", "smart_apply", "agent_apply", "mastra", "mastra_decision"];
    /// How strictly a target worker is meant.
    affinity: ["strict", "preferred", "any"];
    /// How much to spend for the outcome.
    quality: ["speed", "balanced", "quality"];
    /// Who can answer a job that waits.
    resolver: ["human", "system"];
    /// What an answer to a job that waits can be.
    resolution: ["manual", "code_entry", "credentials", "skip"];
}

fn one_of<C>(words: &'static [&'static str]) -> impl FnOnce(&Option<String>, &C) -> garde::Result {
    move |text, _| match text {
        Some(text) if !words.contains(&text.as_str()) => {
            Err(garde::Error::new(format!("must be one of {}", words.join(", "))))
        }
        _ => Ok(()),
    }
}

fn described(words: &[&str]) -> Object {
    let kinds: SchemaType = [Type::String, Type::Null].into_iter().collect();
    let values = words.iter().map(|word| Value::from(*word)).chain([Value::Null]);
    ObjectBuilder::new().schema_type(kinds).enum_values(Some(values)).build()
}
