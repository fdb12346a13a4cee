//! The project's public keys, fetched when a token names one that is not here, and at most so often.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::RwLock;
use url::Url;

/// Keys older than this are fetched again; a withdrawn key is refused after this time.
const FRESH: Duration = Duration::from_mins(10);
/// A made-up key id causes no more fetches than this allows.
const PAUSE: Duration = Duration::from_secs(10);
/// How long the project may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer taken.
const MAX_BYTES: usize = 64 * 1024;

/// The keys could not be fetched, and there are none from before.
#[derive(Debug, thiserror::Error)]
#[error("the project's public keys cannot be fetched")]
pub struct NoKeys;

/// A key by its id.
type Keys = HashMap<String, (Algorithm, DecodingKey)>;

#[derive(Default)]
struct Cache {
    keys: Keys,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl Cache {
    fn is_fresh(&self) -> bool {
        self.fetched.is_some_and(|at| at.elapsed() < FRESH)
    }

    fn was_just_tried(&self) -> bool {
        self.tried.is_some_and(|at| at.elapsed() < PAUSE)
    }

    fn get(&self, kid: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        self.keys.get(kid).filter(|(own, _)| *own == algorithm).map(|(_, key)| key.clone())
    }
}

/// The set of keys behind one address.
pub struct Jwks {
    url: Url,
    client: reqwest::Client,
    cache: RwLock<Cache>,
}

impl Jwks {
    /// The keys of the Supabase project at `project`, or `None` when that is no address or TLS cannot be set up.
    pub fn of_project(project: &str) -> Option<Self> {
        let url =
            Url::parse(&format!("{}/auth/v1/.well-known/jwks.json", project.trim_end_matches('/'))).ok()?;
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        Some(Self { url, client: client.build().ok()?, cache: RwLock::default() })
    }

    /// The key `kid` for `algorithm`, or `None` when the project has no such key.
    ///
    /// When the project does not answer, the keys it gave before stay valid.
    pub async fn find(&self, kid: &str, algorithm: Algorithm) -> Result<Option<DecodingKey>, NoKeys> {
        {
            let cache = self.cache.read().await;
            let found = cache.get(kid, algorithm);
            if cache.was_just_tried() || (found.is_some() && cache.is_fresh()) {
                return if cache.fetched.is_some() { Ok(found) } else { Err(NoKeys) };
            }
        }
        let mut cache = self.cache.write().await;
        // Another request may have fetched while this one waited for the lock.
        if !cache.was_just_tried() {
            cache.tried = Some(Instant::now());
            if let Some(keys) = self.fetch().await {
                cache.keys = keys;
                cache.fetched = Some(Instant::now());
            } else {
                tracing::warn!("the project's public keys cannot be fetched");
            }
        }
        if cache.fetched.is_some() { Ok(cache.get(kid, algorithm)) } else { Err(NoKeys) }
    }

    async fn fetch(&self) -> Option<Keys> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let mut response = self.client.get(self.url.clone()).send().await.ok()?.error_for_status().ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return None;
            }
        }
        let set: Set = serde_json::from_slice(&body).ok()?;
        Some(set.keys.into_iter().filter_map(usable).collect())
    }
}

/// A key this service can verify with: P-256 or RSA. Others, and shared secrets above all, are left out.
fn usable(json: serde_json::Value) -> Option<(String, (Algorithm, DecodingKey))> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, (algorithm, key)))
}
