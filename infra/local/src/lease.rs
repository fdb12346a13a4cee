//! Leases: while one is held, changes need its nonce.

use crate::{clock, ids};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The header that carries a lease's nonce.
pub const NONCE_HEADER: &str = "fly-machine-lease-nonce";

/// The lease of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    pub nonce: String,
    pub owner: String,
    pub description: String,
    /// Milliseconds since 1970.
    pub expires_ms: i64,
}

impl Lease {
    /// A lease of `ttl` seconds from now.
    pub fn new(ttl: i64, description: String) -> Self {
        Self {
            nonce: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(),
            owner: format!("{}@tokens.fly.io", uuid::Uuid::new_v4()),
            description,
            expires_ms: clock::now_ms() + ttl.max(1).saturating_mul(1000),
        }
    }

    /// Whether it still counts.
    pub fn holds(&self) -> bool {
        self.expires_ms > clock::now_ms()
    }

    /// The refusal of everybody who has not got the nonce.
    pub fn refusal(&self, machine: &str) -> String {
        let until = clock::rfc3339(self.expires_ms / 1000 * 1000).replace(".000Z", "Z");
        format!("machine ID {machine} lease currently held by {}, expires at {until}", self.owner)
    }

    /// The lease as the API shows it: in an envelope that the OpenAPI document leaves out.
    pub fn view(&self) -> Value {
        json!({
            "status": "success",
            "data": {
                "nonce": self.nonce,
                "expires_at": self.expires_ms / 1000,
                "owner": self.owner,
                "description": self.description,
                "version": ids::ulid(),
            },
        })
    }
}
