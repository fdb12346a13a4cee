//! Staff who sign in with an address and a password: Supabase checks them, the token it gives says who they are.

use std::time::Duration;

use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::json;

/// How long the project may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The users of a Supabase project.
#[derive(Debug)]
pub struct People {
    url: String,
    key: String,
    client: reqwest::Client,
}

impl People {
    /// The users of the project at `project`; `key` is its public one. `None` when TLS cannot be set up.
    pub fn of_project(project: &str, key: &str) -> Option<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).build().ok()?;
        let url = format!("{}/auth/v1/token?grant_type=password", project.trim_end_matches('/'));
        Some(Self { url, key: key.to_owned(), client })
    }

    /// The token Supabase gives for an address and a password; `None` when it gives none, or does not answer.
    pub async fn token(&self, email: &str, password: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Given {
            access_token: String,
        }
        let request = self.client.post(&self.url).header("apikey", &self.key);
        let answer = request.json(&json!({ "email": email, "password": password })).send().await;
        let answer = answer
            .inspect_err(|_| tracing::warn!("Supabase does not answer: nobody can sign in with a password"))
            .ok()?;
        if !answer.status().is_success() {
            return None;
        }
        Some(answer.json::<Given>().await.ok()?.access_token)
    }
}
