//! A service of one's own for each test: its own database in a Postgres shared by all of them, its own port.

use std::sync::Arc;
use std::time::Duration;

use api::app::{App, router};
use api::config::Config;
use api::server::{self, Limits};
use e2e::sql;
use jsonwebtoken::{EncodingKey, Header};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// The key of the service caller.
pub const KEY: &str = "a-service-key-of-thirty-two-chars";
/// The key it had before.
pub const OLD_KEY: &str = "the-key-that-is-being-rotated-out";
/// What columns are sealed with: 32 bytes.
pub const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// What user tokens are signed with.
pub const JWT_SECRET: &str = "a-jwt-secret-that-is-long-enough-for-hs256";

/// The address of a fresh, migrated database.
pub fn database() -> String {
    e2e::database::fresh().url
}

/// A running service.
pub struct Service {
    /// Its address, without a path.
    pub url: String,
    /// Its database.
    pub database: String,
    client: reqwest::Client,
    _stop: DropGuard,
}

/// An answer that has been read.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body, or null.
    pub body: Value,
}

impl Service {
    /// Starts one with the usual settings.
    pub async fn start() -> Self {
        Self::with(&[], Limits::default()).await
    }

    /// Starts one with more settings and other limits.
    pub async fn with(settings: &[(&str, &str)], limits: Limits) -> Self {
        let database = tokio::task::spawn_blocking(database).await.expect("a database");
        let usual = [
            ("DATABASE_URL", database.as_str()),
            ("GH_SERVICE_SECRET", KEY),
            ("GH_SERVICE_SECRET_PREVIOUS", OLD_KEY),
            ("SUPABASE_JWT_SECRET", JWT_SECRET),
            ("GH_ENCRYPTION_KEY", ENCRYPTION_KEY),
        ];
        let kept = usual.iter().filter(|(name, _)| settings.iter().all(|(other, _)| other != name));
        let all = kept.chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config: Config = boot::load_from("", all).expect("valid settings");
        let db = store::Db::open(config.database().expect("it is set"), "api-test", 5).expect("an address");
        let listener = server::bind(&["127.0.0.1:0".parse().expect("an address")]).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let stop = CancellationToken::new();
        let app = router(Arc::new(App::new(db, &config).expect("a key")));
        tokio::spawn(server::serve(listener, app, limits, stop.clone()));
        Self { url, database, client, _stop: stop.drop_guard() }
    }

    /// A request to a path below the host, without credentials.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request of the service caller below `/api/v1/gh`.
    pub fn as_service(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("/api/v1/gh{path}")).header("X-GH-Service-Key", KEY)
    }

    /// A request of a user below `/api/v1/gh`.
    pub fn as_user(&self, user: Uuid, method: Method, path: &str) -> RequestBuilder {
        self.request(method, &format!("/api/v1/gh{path}")).bearer_auth(token(user))
    }

    /// The service's answer to a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.as_service(Method::GET, path).answer().await
    }

    /// The service's answer to a POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.as_service(Method::POST, path).json(body).answer().await
    }

    /// Writes a job and returns its id.
    pub async fn job(&self, more: Value) -> String {
        let answer = self.post("/jobs", &job(more)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["id"].as_str().expect("an id").to_owned()
    }

    /// Runs SQL in this service's database.
    pub fn sql(&self, text: &str) {
        sql::execute(&self.database, text).expect("the statement is right");
    }

    /// The rows of a query.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        sql::rows(&self.database, query).expect("the query is right")
    }
}

/// Sends a request and reads its answer.
pub trait Ask {
    /// The answer.
    async fn answer(self) -> Answer;
}

impl Ask for RequestBuilder {
    async fn answer(self) -> Answer {
        let response = self.send().await.expect("the service answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a whole body");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }
}

/// The user of a test.
pub fn user() -> Uuid {
    Uuid::from_u128(0x11)
}

/// Someone else.
pub fn stranger() -> Uuid {
    Uuid::from_u128(0x22)
}

/// The least a job must say, and `more`.
pub fn job(more: Value) -> Value {
    let mut job = json!({
        "user_id": user(),
        "job_type": "apply",
        "target_url": "https://boards.greenhouse.io/acme/jobs/1",
        "task_description": "Apply to Engineer at Acme",
    });
    if let (Value::Object(job), Value::Object(more)) = (&mut job, more) {
        job.extend(more);
    }
    job
}

/// A token Supabase could have given to `user`.
pub fn token(user: Uuid) -> String {
    sign(
        &json!({ "sub": user, "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() }),
        JWT_SECRET,
    )
}

/// A token with these claims.
pub fn sign(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).expect("the claims are JSON")
}

/// An hour from now, in seconds of the epoch.
pub fn in_an_hour() -> u64 {
    jsonwebtoken::get_current_timestamp() + 3600
}

/// The faults of a 422, as (field, code).
pub fn faults(answer: &Answer) -> Vec<(&str, &str)> {
    assert_eq!(answer.status, 422, "{answer:?}");
    assert_eq!(answer.body["error"], "validation_error");
    let details = answer.body["details"].as_array().expect("details");
    let text = |fault: &'static str, detail: &'_ Value| detail[fault].as_str().map(str::to_owned);
    for detail in details {
        assert!(text("message", detail).is_some(), "{detail}");
    }
    details
        .iter()
        .map(|detail| (detail["field"].as_str().expect("a field"), detail["code"].as_str().expect("a code")))
        .collect()
}
