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
    email: Option<String>,
    #[serde(default)]
    app_metadata: Metadata,
}

/// What only the project's own server can write about a user. `user_metadata` is the user's to write and is never read.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    role: Option<String>,
}

/// Somebody of the staff, by `app_metadata.role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staff {
    /// `ops`: looks and changes.
    Ops,
    /// `finance`: looks, at costs above all.
    Finance,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub id: UserId,
    /// The address they signed in with.
    pub email: Option<String>,
    /// What they may do beyond their own jobs.
    pub staff: Option<Staff>,
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

    /// Whom a token speaks for, or `None` when it is forged, expired, or meant for something else.
    ///
    /// The token's own word on its algorithm only chooses the kind of key, and each kind verifies one algorithm:
    /// a public key is never used as a secret, and "none" has no key.
    pub async fn person(&self, token: &str) -> Result<Option<Person>, NoKeys> {
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

fn verify(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Person> {
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_audience(&["authenticated"]);
    rules.set_required_spec_claims(&["exp", "aud", "sub"]);
    let claims = decode::<Claims>(token, key, &rules).ok()?.claims;
    let staff = match claims.app_metadata.role.as_deref() {
        Some("ops") => Some(Staff::Ops),
        Some("finance") => Some(Staff::Finance),
        _ => None,
    };
    (claims.role == "authenticated").then_some(Person { id: claims.sub, email: claims.email, staff })
}
