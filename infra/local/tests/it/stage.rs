//! A local Fly whose image `sh` is a shell, and the means to talk to it.

use local::{Handle, Limits, Options};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The app of every test.
pub const APP: &str = "runner";

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Stage {
    pub local: Handle,
    pub caller: Caller,
}

/// Somebody with a token.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    base_url: String,
    authorization: String,
}

/// An answer: status, headers, and body as JSON, or as a JSON string when it is not.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The text of a refusal.
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

/// Options for quick tests: short delays, no limits.
pub fn quick() -> Options {
    Options {
        token: Some("secret".into()),
        apps: vec![APP.to_owned()],
        images: BTreeMap::from([
            ("sh".to_owned(), "/bin/sh".into()),
            ("gone".to_owned(), "/nonexistent".into()),
        ]),
        boot_delay: Duration::from_millis(20),
        start_delay: Duration::from_millis(10),
        limits: Limits::NONE,
        ..Options::default()
    }
}

/// A configuration for one job, which is a line of shell.
pub fn job(line: &str) -> Value {
    json!({
        "image": "sh", "init": {"exec": ["sh", "-c", line]}, "auto_destroy": true, "restart": {"policy": "no"},
        "stop_config": {"signal": "SIGTERM", "timeout": "5s"},
    })
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(quick()).await
    }

    pub async fn with(options: Options) -> Self {
        let local = local::serve(options).await.unwrap();
        let caller = Caller::new(local.base_url());
        Self { local, caller }
    }

    /// With this fault script, as JSON.
    pub async fn with_faults(rules: Value) -> Self {
        Self::with(Options { faults: serde_json::from_value(rules).unwrap(), ..quick() }).await
    }

    /// Ends it and checks that no process is left of any machine.
    pub async fn end(self) {
        self.local.stop().await;
    }
}

impl Caller {
    pub fn new(base_url: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(70)).build().unwrap();
        Self { http, base_url: base_url.to_owned(), authorization: "Bearer secret".to_owned() }
    }

    /// The same with another `Authorization` header.
    pub fn saying(&self, authorization: &str) -> Self {
        Self { authorization: authorization.to_owned(), ..self.clone() }
    }

    pub async fn try_call(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Reply> {
        self.try_call_with(method, path, body, &[]).await
    }

    pub async fn try_call_with(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<Reply> {
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        request = request.header("authorization", &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = reply.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { status, headers, body })
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.try_call(Method::GET, path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.try_call(Method::POST, path, Some(body)).await.unwrap()
    }

    /// A call about machines: `rest` comes after `/v1/apps/APP/machines`.
    pub async fn machines(&self, method: Method, rest: &str) -> Reply {
        self.try_call(method, &machines(rest), None).await.unwrap()
    }

    pub async fn create(&self, body: Value) -> Reply {
        self.post(&machines(""), body).await
    }

    /// Creates a machine, which must succeed, and gives its id.
    pub async fn created(&self, body: Value) -> String {
        let reply = self.create(body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["id"].as_str().unwrap().to_owned()
    }

    /// Creates a machine that does one line of shell.
    pub async fn run(&self, name: &str, line: &str) -> String {
        self.created(json!({"name": name, "config": job(line)})).await
    }

    /// Waits for a state, which must come.
    pub async fn reach(&self, id: &str, state: &str) {
        let reply = self.machines(Method::GET, &format!("/{id}/wait?state={state}&timeout=10")).await;
        assert_eq!((reply.status, reply.body["state"].as_str()), (200, Some(state)), "{}", reply.body);
    }

    pub async fn machine(&self, id: &str) -> Value {
        let reply = self.machines(Method::GET, &format!("/{id}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    pub async fn state(&self, id: &str) -> String {
        self.machine(id).await["state"].as_str().unwrap().to_owned()
    }

    /// The newest exit event's details.
    pub async fn exit(&self, id: &str) -> Value {
        let machine = self.machine(id).await;
        let events = machine["events"].as_array().unwrap();
        let exit = events.iter().find(|event| event["type"] == "exit").expect("an exit event");
        exit["request"]["exit_event"].clone()
    }
}

/// A path about machines.
pub fn machines(rest: &str) -> String {
    format!("/v1/apps/{APP}/machines{rest}")
}

/// Waits until `check` holds.
pub async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
