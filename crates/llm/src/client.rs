//! Sends a call, waits and repeats where that helps, and reads the answer.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::SecretString;
use serde_json::Value;

use crate::catalogue::{Catalogue, Model, Provider, Wire};
use crate::{Error, Reply, Request, wire};

/// How long one call may take; reasoning models need most of it.
const CALL: Duration = Duration::from_secs(90);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a call is repeated.
const REPEATS: u32 = 2;
/// The first wait; the next is twice as long.
const WAIT: Duration = Duration::from_millis(500);
/// A provider that asks for a longer wait is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How much of a provider's error text is kept.
const WORDS: usize = 300;

/// A model and the way to it.
#[derive(Clone, Debug)]
pub struct Client {
    model: Model,
    provider: Provider,
    key: SecretString,
    http: reqwest::Client,
}

impl Client {
    /// The model of this name, its key and any other base URL looked up by variable name.
    ///
    /// # Errors
    /// When the model is unknown, its key is not set, or no HTTP client can be made.
    pub fn from_lookup(
        catalogue: &Catalogue,
        name: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let (model, provider) = catalogue.resolve(name)?;
        let key = given(&provider.key).ok_or_else(|| Error::NoKey(provider.key.clone()))?;
        let mut provider = provider.clone();
        let variable = format!("GH_{}_BASE_URL", model.provider.to_uppercase().replace('-', "_"));
        if let Some(base) = given(&variable) {
            if base.trim_end_matches('/').ends_with("/openai") {
                provider.wire = Wire::Openai; // Google also speaks it there
            }
            provider.base_url = base;
        }
        Self::new(model.clone(), provider, key.into())
    }

    /// A client for this model at this provider.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(model: Model, provider: Provider, key: SecretString) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .timeout(CALL)
            .connect_timeout(CONNECT)
            .build()
            .map_err(Error::Network)?;
        Ok(Self { model, provider, key, http })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Makes the call; repeats it at most twice when the provider is busy or fails, as long as it asks for.
    ///
    /// # Errors
    /// When there is no usable answer; see [`Error::billed`] for what that cost.
    pub async fn complete(&self, request: &Request) -> Result<Reply, Error> {
        let mut wait = WAIT;
        for repeat in 0.. {
            let (error, asked) = match self.once(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => {
                    let asked = if let Error::RateLimited(asked) = &error { *asked } else { None };
                    (error, asked)
                }
            };
            let transient = matches!(error, Error::RateLimited(_) | Error::Provider(_) | Error::Network(_));
            let pause = asked.unwrap_or(wait);
            if repeat >= REPEATS || !transient || pause > LONGEST_WAIT {
                return Err(error);
            }
            tracing::warn!(model = self.model.alias, error = %error, wait_ms = pause.as_millis(), "model call is repeated");
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        Err(Error::Timeout)
    }

    async fn once(&self, request: &Request) -> Result<Reply, Error> {
        let answer = self.prepare(request).send().await.map_err(sort)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.map_err(sort)?;
        if !status.is_success() {
            return Err(failure(status, &headers, &text));
        }
        let id = ["x-request-id", "request-id"]
            .iter()
            .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned));
        let body: Value =
            serde_json::from_str(&text).map_err(|_| Error::Malformed(crate::Billed::default()))?;
        match self.provider.wire {
            Wire::Openai => wire::openai::read(&body, id),
            Wire::Anthropic => wire::anthropic::read(&body, id),
            Wire::Gemini => wire::gemini::read(&body, id),
        }
    }

    fn prepare(&self, request: &Request) -> RequestBuilder {
        let base = self.provider.base_url.trim_end_matches('/');
        match self.provider.wire {
            Wire::Openai => {
                wire::openai::write(&self.http, base, &self.key, &self.model, self.provider.schema, request)
            }
            Wire::Anthropic => wire::anthropic::write(&self.http, base, &self.key, &self.model, request),
            Wire::Gemini => wire::gemini::write(&self.http, base, &self.key, &self.model, request),
        }
    }
}

fn sort(error: reqwest::Error) -> Error {
    // The address of a self-hosted server may hold credentials.
    if error.is_timeout() { Error::Timeout } else { Error::Network(error.without_url()) }
}

fn failure(status: StatusCode, headers: &HeaderMap, text: &str) -> Error {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let said = body["error"]["message"]
        .as_str()
        .or_else(|| body["error"].as_str())
        .or_else(|| body["message"].as_str());
    match status.as_u16() {
        401 | 403 => Error::Auth(status.as_u16()),
        429 if body["error"]["code"] == "insufficient_quota" => {
            Error::Rejected { status: 429, message: "the account's quota is used up".into() }
        }
        429 => Error::RateLimited(asked_wait(headers, &body)),
        408 | 500.. => Error::Provider(status.as_u16()),
        status => Error::Rejected { status, message: said.unwrap_or_default().chars().take(WORDS).collect() },
    }
}

/// How long the provider asks us to wait: a header, or Google's retry info in the body.
fn asked_wait(headers: &HeaderMap, body: &Value) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds =
        number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number("retry-after")).or_else(|| {
            let details = body["error"]["details"].as_array()?;
            let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str())?;
            delay.trim_end_matches('s').parse().ok()
        })?;
    Duration::try_from_secs_f64(seconds).ok()
}
