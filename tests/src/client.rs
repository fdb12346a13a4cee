//! The two HTTP interfaces of the stack, as its users call them: our REST API and the Machines API.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long any call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A client for addresses of this computer: no proxy, and never longer than ten seconds.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?)
}

/// Our REST API, called as VALET does: with the service key.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Api {
    /// `url` is the address of the server, without a path.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(url: &str, key: &str) -> Result<Self> {
        Ok(Self { http: http()?, url: url.to_owned(), key: key.to_owned() })
    }

    /// A request to `path` below `/api/v1/gh`, with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1/gh{path}", self.url))
            .header("X-GH-Service-Key", &self.key)
    }

    /// Creates a job and returns its id.
    ///
    /// # Errors
    /// When the answer is not 201, with its body.
    pub async fn create_job(&self, body: &Value) -> Result<String> {
        let created: Value = read(self.request(Method::POST, "/jobs").json(body)).await?;
        let id = created["id"].as_str().context("the new job has no id")?;
        Ok(id.to_owned())
    }

    /// The whole row of a job.
    ///
    /// # Errors
    /// When the answer is not 200, with its body.
    pub async fn job(&self, id: &str) -> Result<Value> {
        read(self.request(Method::GET, &format!("/jobs/{id}"))).await
    }

    /// Up to 200 events of a job, oldest first, after the first `offset`.
    ///
    /// # Errors
    /// When the answer is not 200, with its body.
    pub async fn events(&self, id: &str, offset: usize) -> Result<Vec<Value>> {
        let path = format!("/jobs/{id}/events?limit=200&offset={offset}");
        let mut page: Value = read(self.request(Method::GET, &path)).await?;
        Ok(serde_json::from_value(page["events"].take())?)
    }
}

/// A Machines API.
#[derive(Clone)]
pub struct Machines {
    http: reqwest::Client,
    url: String,
    token: String,
    app: String,
}

impl Machines {
    /// `url` is the address of the server, without a path.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(url: &str, token: &str, app: &str) -> Result<Self> {
        Ok(Self { http: http()?, url: url.to_owned(), token: token.to_owned(), app: app.to_owned() })
    }

    /// The app's machines that are not gone.
    ///
    /// # Errors
    /// When the answer is not 200, with its body.
    pub async fn alive(&self) -> Result<Vec<Value>> {
        let url = format!("{}/v1/apps/{}/machines", self.url, self.app);
        let mut machines: Vec<Value> = read(self.http.get(url).bearer_auth(&self.token)).await?;
        machines.retain(|machine| machine["state"] != "destroyed");
        Ok(machines)
    }
}

/// Sends a request and reads the JSON of a good answer.
async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let reply = request.send().await?;
    let (status, url) = (reply.status(), reply.url().clone());
    let text = reply.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{url} answered {text}"))
}
