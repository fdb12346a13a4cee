//! Who may come in: services by a shared key, users by a Supabase token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::jwks::NoKeys;
use crate::token::{Person, Staff, Verifier};

/// The header a service shows its key in.
const SERVICE_KEY: &str = "x-gh-service-key";

/// What callers are checked against.
#[derive(Default)]
pub struct Auth {
    /// Digests of the keys that are valid now: two while a key is being rotated.
    keys: Vec<[u8; 32]>,
    verifier: Verifier,
}

impl Auth {
    /// Accepts these service keys and the tokens `verifier` knows.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SecretString>, verifier: Verifier) -> Self {
        let keys = keys.into_iter().map(SecretString::expose_secret).filter(|key| !key.is_empty());
        Self { keys: keys.map(|key| Sha256::digest(key).into()).collect(), verifier }
    }

    /// Who sent these headers. A service key counts before a token, an empty one is none.
    async fn caller(&self, headers: &HeaderMap) -> ApiResult<(Caller, Option<Staff>)> {
        if let Some(key) = headers.get(SERVICE_KEY).filter(|key| !key.is_empty()) {
            return self.service(key.as_bytes()).map(|caller| (caller, None));
        }
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(token_of);
        let Some(token) = bearer else {
            return Err(ApiError::unauthorized("Missing authentication credentials"));
        };
        match self.verifier.person(token).await {
            Ok(Some(person)) => Ok((Caller::User(person.id), person.staff)),
            Ok(None) => Err(ApiError::unauthorized("Invalid or expired token")),
            Err(NoKeys) => Err(ApiError::unavailable()),
        }
    }

    /// Whom a user's token speaks for; `None` when it is not valid, or cannot be checked now.
    pub async fn person(&self, token: &str) -> Option<Person> {
        self.verifier.person(token).await.ok().flatten()
    }

    /// Whether a service sent these headers.
    pub fn is_service(&self, headers: &HeaderMap) -> bool {
        headers.get(SERVICE_KEY).is_some_and(|key| self.service(key.as_bytes()).is_ok())
    }

    /// Compares digests, all of them, so that neither the length nor the place of a difference shows in the time taken.
    fn service(&self, shown: &[u8]) -> ApiResult<Caller> {
        if self.keys.is_empty() {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(ApiError::new(status, "server_config_error", "Service secret not configured"));
        }
        let shown: [u8; 32] = Sha256::digest(shown).into();
        let known = self.keys.iter().fold(Choice::from(0), |known, key| known | key.ct_eq(&shown));
        if known.into() { Ok(Caller::Service) } else { Err(ApiError::unauthorized("Invalid service key")) }
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter.
fn token_of(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Lets known callers pass, and tells the handlers who they are.
pub async fn require_caller(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> ApiResult<Response> {
    let (caller, staff) = app.auth.caller(request.headers()).await?;
    request.extensions_mut().insert(caller);
    if let Some(staff) = staff {
        request.extensions_mut().insert(staff);
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[tokio::test]
    async fn the_old_key_is_valid_beside_the_new_one_while_it_is_rotated() {
        let (new, old) = (SecretString::from("new"), SecretString::from("old"));
        let auth = Auth::new([&new, &old], Verifier::default());
        for key in ["new", "old"] {
            let caller = auth.caller(&headers(&[("x-gh-service-key", key)])).await.ok();
            assert_eq!(caller, Some((Caller::Service, None)));
        }
        assert!(auth.caller(&headers(&[("x-gh-service-key", "older")])).await.is_err());
        assert!(auth.caller(&headers(&[("x-gh-service-key", "")])).await.is_err());
    }

    #[test]
    fn the_time_of_a_comparison_does_not_tell_how_much_of_a_key_is_right() {
        // So long a key that comparing byte by byte would take a hundred times as long to find the last one wrong as the first.
        let key = "k".repeat(64 * 1024);
        let auth = Auth::new([&SecretString::from(key.clone())], Verifier::default());
        let (first, last) = (format!("x{}", &key[1..]), format!("{}x", &key[1..]));
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..51 {
            for (shown, times) in [&first, &last].into_iter().zip(&mut times) {
                let start = std::time::Instant::now();
                assert!(auth.service(shown.as_bytes()).is_err());
                times.push(start.elapsed().as_nanos());
            }
        }
        let [first, last] = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2]
        });
        assert!(last < first * 2 && first < last * 2, "{first} ns and {last} ns");
        assert!(auth.service(key.as_bytes()).is_ok());
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        let auth = Auth::new([&SecretString::from("")], Verifier::default());
        assert!(auth.keys.is_empty());
    }
}
