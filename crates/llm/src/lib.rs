//! One model call: a prompt and a schema in, JSON and a bill out; whichever vendor answers.

pub mod catalogue;
mod client;
mod error;
pub mod price;
mod wire;

pub use catalogue::{Catalogue, Model, Provider};
pub use client::Client;
pub use error::{Billed, Error};

use serde_json::Value;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who the model is and what it must do; the same for every call, so that vendors can cache it.
    pub system: String,
    /// This call's data.
    pub user: String,
    /// The JSON schema of the answer: an object, closed, every property required.
    pub schema: Value,
    /// The longest answer, reasoning included.
    pub max_tokens: u32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// JSON; of the schema's shape where the vendor holds to it, so the caller checks it all the same.
    pub json: Value,
    /// What has to be paid for.
    pub usage: Usage,
    /// The vendor's id of the call.
    pub request_id: Option<String>,
}

/// Tokens by the classes they are billed in; no token is in two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input billed in full.
    pub input: u64,
    /// Input from the vendor's cache.
    pub cached: u64,
    /// Output that is the answer.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// All tokens.
    pub const fn total(self) -> u64 {
        self.input + self.cached + self.output + self.reasoning
    }
}
