//! Who looks at the dashboard: a signed cookie, and a token in every form that changes something.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::failure::Failure;
use crate::app::App;
use crate::build::wall_clock;

/// The cookie's name.
const COOKIE: &str = "gh_session";
/// For how long one signs in, in seconds.
const HOURS_12: i64 = 12 * 3600;

/// What somebody signed in may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What they may do.
    pub role: Role,
    /// What they said they are called; stands in the audit.
    pub name: String,
    /// What a form of theirs must carry.
    pub token: String,
}

impl Session {
    /// Whether they may change something.
    pub fn can_change(&self) -> bool {
        self.role == Role::Write
    }

    /// Who the audit says it was.
    pub fn actor(&self) -> String {
        format!("dashboard:{}", self.name)
    }

    /// Lets a form pass that was made for this session.
    pub fn require_change(&self, shown: &str) -> Result<(), Failure> {
        if !bool::from(self.token.as_bytes().ct_eq(shown.as_bytes())) {
            return Err(Failure::Stale);
        }
        if self.can_change() { Ok(()) } else { Err(Failure::ReadOnly) }
    }
}

/// The keys people sign in with, and the one their cookies are signed with.
#[derive(Debug, Default)]
pub struct Keys {
    write: Vec<[u8; 32]>,
    read: Option<[u8; 32]>,
    cookies: Option<[u8; 32]>,
}

impl Keys {
    /// `write` are the service keys, the current one first; cookies are signed with what it gives, so a rotated key ends all sessions.
    pub fn new<'a>(write: impl IntoIterator<Item = &'a SecretString>, read: Option<&SecretString>) -> Self {
        let given = |key: &SecretString| !key.expose_secret().is_empty();
        let keys: Vec<&SecretString> = write.into_iter().filter(|key| given(key)).collect();
        let digest = |key: &SecretString| Sha256::digest(key.expose_secret()).into();
        Self {
            cookies: keys.first().map(|key| {
                Sha256::digest([b"dashboard cookie ", key.expose_secret().as_bytes()].concat()).into()
            }),
            write: keys.into_iter().map(digest).collect(),
            read: read.filter(|key| given(key)).map(digest),
        }
    }

    /// The role of a key. All keys are compared, as digests, so the time taken says nothing.
    pub fn role(&self, shown: &str) -> Option<Role> {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        let writes = self.write.iter().fold(Choice::from(0), |known, key| known | key.ct_eq(&shown));
        let reads = self.read.map_or(Choice::from(0), |key| key.ct_eq(&shown));
        if writes.into() { Some(Role::Write) } else { bool::from(reads).then_some(Role::Read) }
    }

    /// The cookie of somebody who signs in at `now`, in seconds of the epoch; `None` while there is no service key.
    fn seal(&self, role: Role, name: &str, now: i64) -> Option<String> {
        let role = if role == Role::Write { "w" } else { "r" };
        let body = format!("{role}.{}.{}", now + HOURS_12, BASE64.encode(name));
        Some(format!("{body}.{}", self.sign(&body)?))
    }

    /// Who a cookie is of, at `now`; `None` when it is forged or old.
    fn open(&self, cookie: &str, now: i64) -> Option<Session> {
        let (body, shown) = cookie.rsplit_once('.')?;
        if !bool::from(self.sign(body)?.as_bytes().ct_eq(shown.as_bytes())) {
            return None;
        }
        let mut parts = body.split('.');
        let role = match parts.next()? {
            "w" => Role::Write,
            _ => Role::Read,
        };
        if parts.next()?.parse::<i64>().ok()? <= now {
            return None;
        }
        let name = String::from_utf8(BASE64.decode(parts.next()?).ok()?).ok()?;
        Some(Session { role, name, token: self.sign(&format!("form {cookie}"))? })
    }

    fn sign(&self, text: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.cookies?).ok()?;
        mac.update(text.as_bytes());
        Some(BASE64.encode(mac.finalize().into_bytes()))
    }
}

/// The cookie that signs somebody in.
pub fn cookie(app: &App, headers: &HeaderMap, role: Role, name: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = app.dashboard.seal(role, name, wall_clock().timestamp())?;
    Some((header::SET_COOKIE, attributes(headers, &value, HOURS_12)?))
}

/// The cookie that signs somebody out.
pub fn no_cookie(headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    Some((header::SET_COOKIE, attributes(headers, "", 0)?))
}

fn attributes(headers: &HeaderMap, value: &str, seconds: i64) -> Option<HeaderValue> {
    // Fly's proxy ends TLS and says so; on a developer's own computer there is none.
    let is_https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_https { "; Secure" } else { "" };
    HeaderValue::try_from(format!(
        "{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    ))
    .ok()
}

/// Whoever sent these headers, if they signed in.
pub fn session(app: &App, headers: &HeaderMap) -> Option<Session> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    app.dashboard.open(value, wall_clock().timestamp())
}

/// Lets those pass who signed in, and sends the others to do so.
pub async fn require(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if let Some(session) = session(&app, request.headers()) {
        request.extensions_mut().insert(session);
        let mut response = next.run(request).await;
        // What one may see is not kept for the next who sits here.
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        return response;
    }
    let asked = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let asked: String = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    let sign_in = format!("/sign-in?next={asked}");
    if request.headers().contains_key("hx-request") || request.method() != Method::GET {
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", sign_in)]).into_response();
    }
    Redirect::to(&sign_in).into_response()
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().cloned().ok_or(Failure::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(
            [&SecretString::from("write"), &SecretString::from("old")],
            Some(&SecretString::from("read")),
        )
    }

    #[test]
    fn each_key_has_its_role_and_no_other_text_has_one() {
        let roles = ["write", "old", "read", "", "rea"].map(|key| keys().role(key));
        assert_eq!(roles, [Some(Role::Write), Some(Role::Write), Some(Role::Read), None, None]);
        assert_eq!(Keys::new([&SecretString::from("")], Some(&SecretString::from(""))).role(""), None);
    }

    #[test]
    fn a_cookie_ends_after_its_time_and_with_its_key() {
        let cookie = keys().seal(Role::Write, "Ann=.;", 1000).expect("a cookie");
        let session = keys().open(&cookie, 1001).expect("valid");
        assert_eq!((session.role, session.name.as_str()), (Role::Write, "Ann=.;"));
        assert_eq!(keys().open(&cookie, 1000 + HOURS_12), None);
        assert_eq!(Keys::new([&SecretString::from("new")], None).open(&cookie, 1001), None);
        assert_eq!(Keys::default().open(&cookie, 1001), None);
    }

    #[test]
    fn a_cookie_that_was_changed_is_none() {
        let cookie = keys().seal(Role::Read, "Ann", 1000).expect("a cookie");
        assert_eq!(keys().open(&cookie.replacen('r', "w", 1), 1001), None);
        assert_eq!(keys().open(&format!("{cookie}x"), 1001), None);
    }

    #[test]
    fn a_form_of_another_session_changes_nothing() {
        let open = |name: &str| {
            keys().open(&keys().seal(Role::Write, name, 1000).expect("a cookie"), 1001).expect("valid")
        };
        let (ann, ben) = (open("Ann"), open("Ben"));
        assert!(ann.require_change(&ann.token).is_ok());
        assert!(matches!(ann.require_change(&ben.token), Err(Failure::Stale)));
        let reader = Session { role: Role::Read, ..ann.clone() };
        assert!(matches!(reader.require_change(&reader.token), Err(Failure::ReadOnly)));
    }
}
