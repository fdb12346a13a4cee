//! One app of a Machines API: calls as they are, with the answers as they are.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How long a call may take; Fly's slowest create calls measured took 2.5 s.
const CALL: Duration = Duration::from_secs(30);
/// How long a machine may take to be gone: its image may have to be pulled first.
const LIFE: Duration = Duration::from_mins(3);
/// More machines than any question needs: a mistake must not become expensive.
const MOST: usize = 40;

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// Its body as JSON; as a text when it is none.
    pub body: Value,
}

/// The app that everything happens in.
pub struct Account {
    http: reqwest::Client,
    url: String,
    token: String,
    app: String,
    /// Where the app is made; none when it is there already.
    org: Option<String>,
    image: String,
    made: Mutex<Vec<String>>,
    seconds: Mutex<f64>,
}

impl Account {
    pub fn new(url: &str, token: &str, app: &str, org: Option<&str>, image: &str) -> Result<Self> {
        // A token is sent as flyctl does: macaroons under a scheme of their own.
        let plain = token.trim_start_matches("FlyV1 ").trim_start_matches("Bearer ");
        let scheme = if plain.starts_with("fm1r_") || plain.starts_with("fm2_") { "FlyV1" } else { "Bearer" };
        Ok(Self {
            http: reqwest::Client::builder().timeout(CALL + CALL).build()?,
            url: url.trim_end_matches('/').trim_end_matches("/v1").to_owned(),
            token: format!("{scheme} {plain}"),
            app: app.to_owned(),
            org: org.map(str::to_owned),
            image: image.to_owned(),
            made: Mutex::default(),
            seconds: Mutex::default(),
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn app(&self) -> &str {
        &self.app
    }

    /// Seconds that machines have run so far.
    pub fn seconds(&self) -> f64 {
        *self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let mut request =
            self.http.request(method, format!("{}/v1{path}", self.url)).header("authorization", &self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = request.send().await.with_context(|| format!("calling {path}"))?;
        let status = reply.status().as_u16();
        let retry_after =
            reply.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = reply.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply { status, retry_after, body })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.call(Method::GET, &self.path(path), None).await?.body)
    }

    /// A path below the app's machines.
    pub fn path(&self, path: &str) -> String {
        format!("/apps/{}/machines{path}", self.app)
    }

    /// Makes the app, when it is ours to make.
    pub async fn open(&self) -> Result<()> {
        let Some(org) = &self.org else { return Ok(()) };
        let body = json!({ "name": self.app, "app_name": self.app, "org_slug": org, "network": self.app });
        let reply = self.call(Method::POST, "/apps", Some(&body)).await?;
        ensure!(reply.status == 201, "the app could not be made: {} {}", reply.status, reply.body);
        Ok(())
    }

    /// Destroys every machine that was made, and the app; returns how many machines are still there.
    pub async fn close(&self) -> Result<usize> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for id in &made {
            let path = self.path(&format!("/{id}?force=true"));
            while self.call(Method::DELETE, &path, None).await?.status
                == StatusCode::TOO_MANY_REQUESTS.as_u16()
            {
                sleep(Duration::from_secs(1)).await;
            }
        }
        let until = Instant::now() + LIFE;
        let mut left = made.len();
        while left > 0 && Instant::now() < until {
            let machines = self.call(Method::GET, &self.path(""), None).await?;
            if let Some(machines) = machines.body.as_array() {
                left = machines.iter().filter(|machine| machine["state"] != "destroyed").count();
            }
            sleep(Duration::from_secs(1)).await;
        }
        if self.org.is_some() {
            let reply = self.call(Method::DELETE, &format!("/apps/{}?force=true", self.app), None).await?;
            ensure!(
                reply.status == 202 || reply.status == 200,
                "the app is left: {} {}",
                reply.status,
                reply.body
            );
        }
        Ok(left)
    }

    /// What a machine of the smallest size is made from; `script` is for its shell.
    pub fn machine(&self, name: &str, script: &str) -> Value {
        json!({
            "name": name,
            "config": {
                "image": self.image,
                "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": 256 },
                "init": { "exec": ["/bin/sh", "-c", script] },
                "metadata": { "smoke": name },
                "auto_destroy": true,
                "restart": { "policy": "no" },
                "stop_config": { "signal": "SIGTERM", "timeout": "10s" },
            },
        })
    }

    /// One create call, whatever comes of it.
    pub async fn create(&self, machine: &Value) -> Result<Reply> {
        let reply = self.call(Method::POST, &self.path(""), Some(machine)).await?;
        if let Some(id) = reply.body["id"].as_str().filter(|_| reply.status == 200) {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.push(id.to_owned());
            ensure!(made.len() <= MOST, "more machines than any question needs");
        }
        Ok(reply)
    }

    /// A create call that must succeed; where it came too soon, again.
    pub async fn make(&self, machine: &Value) -> Result<Value> {
        let until = Instant::now() + LIFE;
        loop {
            let reply = self.create(machine).await?;
            match reply.status {
                200 => return Ok(reply.body),
                429 | 500.. if Instant::now() < until => sleep(Duration::from_secs(1)).await,
                status => anyhow::bail!("create answered {status}: {}", reply.body),
            }
        }
    }

    /// Waits until a machine is gone and returns it, with its events; its time is counted.
    pub async fn gone(&self, id: &str) -> Result<Value> {
        let until = Instant::now() + LIFE;
        loop {
            let machine = self.get(&format!("/{id}")).await?;
            if machine["state"] == "destroyed" {
                let moment = |kind: &str, status: &str| {
                    let events = machine["events"].as_array()?;
                    let found =
                        events.iter().find(|event| event["type"] == kind && event["status"] == status)?;
                    found["timestamp"].as_f64()
                };
                if let (Some(start), Some(exit)) = (moment("start", "started"), moment("exit", "stopped")) {
                    *self.seconds.lock().unwrap_or_else(PoisonError::into_inner) +=
                        (exit - start).max(0.0) / 1000.0;
                }
                return Ok(machine);
            }
            ensure!(Instant::now() < until, "machine {id} is not gone after {LIFE:?}: {machine}");
            sleep(Duration::from_millis(300)).await;
        }
    }
}
