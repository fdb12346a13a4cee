//! Supabase's user tokens, verified here and not by a call to Supabase for each request.

use domain::id::UserId;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::jwks::{Jwks, NoKeys};

/// Clocks differ by this much, in seconds.
const LEEWAY: u64 = 30;

/// What a token must carry; `exp` and `aud` are checked by the library.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: UserId,
    #[serde(default)]
    role: String,
}

/// Checks tokens against the project's signing keys: the shared secret, the public keys, or both while a project moves.
#[derive(Default)]
pub struct Verifier {
    secret: Option<DecodingKey>,
    public: Option<Jwks>,
}

impl Verifier {
    /// Takes tokens signed with `secret`, and those signed with a key that `public` lists.
    pub fn new(secret: Option<&SecretString>, public: Option<Jwks>) -> Self {
        let secret = secret.map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()));
        Self { secret, public }
    }

    /// The user a token speaks for, or `None` when it is forged, expired, or meant for something else.
    ///
    /// The token's own word on its algorithm only chooses the kind of key, and each kind verifies one algorithm:
    /// a public key is never used as a secret, and "none" has no key.
    pub async fn user(&self, token: &str) -> Result<Option<UserId>, NoKeys> {
        let Ok(header) = decode_header(token) else { return Ok(None) };
        match (header.alg, &self.secret, &self.public, header.kid) {
            (Algorithm::HS256, Some(key), _, _) => Ok(verify(token, key, Algorithm::HS256)),
            (algorithm @ (Algorithm::ES256 | Algorithm::RS256), _, Some(public), Some(kid)) => {
                let key = public.find(&kid, algorithm).await?;
                Ok(key.and_then(|key| verify(token, &key, algorithm)))
            }
            _ => Ok(None),
        }
    }
}

fn verify(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<UserId> {
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_audience(&["authenticated"]);
    rules.set_required_spec_claims(&["exp", "aud", "sub"]);
    let claims = decode::<Claims>(token, key, &rules).ok()?.claims;
    (claims.role == "authenticated").then_some(claims.sub)
}
