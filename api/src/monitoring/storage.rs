//! The bucket that screenshots go to: whether it is there, and addresses in it for those who may look. Supabase Storage.

use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

/// The contract's bucket.
const BUCKET: &str = "screenshots";
/// For how long an answer is shown again: the page that asks is open to everyone.
const FRESH: Duration = Duration::from_secs(30);
/// For how long a signed address is good, in seconds: a page's pictures are fetched at once.
const SIGNED_SECONDS: u32 = 60;
/// How long the project may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The storage of a Supabase project.
#[derive(Debug)]
pub struct Storage {
    project: String,
    key: SecretString,
    client: reqwest::Client,
    seen: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Storage {
    /// The storage of the project at `project`, or `None` when TLS cannot be set up.
    pub fn of_project(project: &str, key: SecretString) -> Option<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).build().ok()?;
        let project = project.trim_end_matches('/').to_owned();
        Some(Self { project, key, client, seen: Mutex::default() })
    }

    /// Whether the bucket is there, or what stands against it, in words that name neither address nor key.
    pub async fn state(&self) -> Result<(), String> {
        let mut seen = self.seen.lock().await;
        if let Some((at, state)) = &*seen
            && at.elapsed() < FRESH
        {
            return state.clone();
        }
        let key = self.key.expose_secret();
        let bucket = format!("{}/storage/v1/bucket/{BUCKET}", self.project);
        let answer = self.client.get(bucket).header("apikey", key).bearer_auth(key).send().await;
        let state = match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                Err(format!("Storage answered {} for the bucket {BUCKET}", answer.status().as_u16()))
            }
            Err(_) => Err("Storage does not answer".to_owned()),
        };
        *seen = Some((Instant::now(), state.clone()));
        state
    }

    /// The key of an object of the bucket, from the address a runner stored; `None` for an address of anything else.
    pub fn object<'a>(&self, address: &'a str) -> Option<&'a str> {
        let path = address.strip_prefix(&self.project)?.strip_prefix("/storage/v1/object/")?;
        path.strip_prefix("public/").unwrap_or(path).strip_prefix(BUCKET)?.strip_prefix('/')
    }

    /// An address of the object that is good for a minute, for a bucket that is not public; `None` when Storage gives none.
    pub async fn sign(&self, object: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Signed {
            #[serde(rename = "signedURL")]
            path: String,
        }
        let key = self.key.expose_secret();
        let address = format!("{}/storage/v1/object/sign/{BUCKET}/{object}", self.project);
        let request = self.client.post(address).header("apikey", key).bearer_auth(key);
        let answer = request.json(&serde_json::json!({ "expiresIn": SIGNED_SECONDS })).send().await.ok()?;
        if !answer.status().is_success() {
            tracing::warn!(status = answer.status().as_u16(), "Storage signs no address of a screenshot");
            return None;
        }
        let signed: Signed = answer.json().await.ok()?;
        signed
            .path
            .starts_with("/object/sign/")
            .then(|| format!("{}/storage/v1{}", self.project, signed.path))
    }
}
