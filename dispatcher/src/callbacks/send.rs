//! One POST: where it goes, what it carries, and what the answer means.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::net::{Reach, web_address};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use store::outbox::Delivery;
use url::Url;

use super::Settings;
use super::guard::{Guard, NotPublic};
use super::sign::Signer;

/// The contract's.
const TIMEOUT: Duration = Duration::from_secs(10);
const AGENT: &str = "GhostHands-Callback/1.0";
const SERVICE_KEY: HeaderName = HeaderName::from_static("x-gh-service-key");
/// The longest that a receiver may put us off.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The client.
    #[error("setting up the client of the callbacks")]
    Client(#[from] reqwest::Error),
    /// The key.
    #[error("GH_SERVICE_SECRET cannot be sent in a header")]
    Key(#[from] InvalidHeaderValue),
}

/// What came of a POST.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It arrived.
    Delivered,
    /// It will never be taken: the receiver said that it is gone, or its address may not be called.
    Refused(String),
    /// It may arrive later; not before `ask_after`, when the receiver said so. `alive` says that the receiver answered, and refused this one.
    Failed { reason: String, ask_after: Option<Duration>, alive: bool },
}

impl Outcome {
    /// Whether the host works.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self, Self::Failed { alive: false, .. })
    }
}

/// An address that may be called.
pub(super) struct Target {
    url: Url,
    /// Name and port: all that is ever logged of an address.
    pub(super) host: String,
}

#[derive(Debug)]
pub(super) struct Sender {
    http: Client,
    signer: Option<Signer>,
    key: Option<HeaderValue>,
    key_hosts: Vec<String>,
    reach: Reach,
}

impl Sender {
    pub(super) fn new(settings: Settings) -> Result<Self, SetupError> {
        let Settings { signer, key, key_hosts, reach, names } = settings;
        let http = Client::builder()
            .user_agent(AGENT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy() // a proxy would resolve the names by itself
            .dns_resolver(Arc::new(Guard { names, reach }))
            .build()?;
        Ok(Self { http, signer, key: key.as_ref().map(key_header).transpose()?, key_hosts, reach })
    }

    /// Where the callback goes, or why it goes nowhere.
    pub(super) fn target(&self, delivery: &Delivery) -> Result<Target, String> {
        let url = web_address(delivery.url.expose_secret(), self.reach)
            .map_err(|unfit| format!("its address {unfit}"))?;
        let name = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let host = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        Ok(Target { url, host })
    }

    /// Sends it once.
    pub(super) async fn send(&self, target: Target, delivery: &Delivery) -> Outcome {
        let with_key = self.may_see_key(&target);
        let request = self.http.post(target.url).headers(self.headers(delivery, with_key));
        let answer = match request.body(delivery.body.clone()).send().await {
            Ok(answer) => answer,
            Err(error) => return of_error(error),
        };
        let status = answer.status();
        if status.is_success() {
            return Outcome::Delivered;
        }
        if status == StatusCode::GONE {
            return Outcome::Refused(format!("answered {status}"));
        }
        // Any other refusal may be a deploy of the receiver, or a key that is being replaced: it is no last word.
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !with_key => {
                "; GH_CALLBACK_KEY_HOSTS does not list it"
            }
            _ if status.is_redirection() => "; redirects are not followed",
            _ => "",
        };
        let busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Outcome::Failed {
            reason: format!("answered {status}{hint}"),
            ask_after: asked.map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED)),
            alive: !status.is_server_error() && !busy,
        }
    }

    /// Whether the service's key may be sent there: to listed hosts only, and not in the clear.
    fn may_see_key(&self, target: &Target) -> bool {
        let listed = [Some(target.host.as_str()), target.url.host_str()];
        let encrypted = target.url.scheme() == "https" || self.reach == Reach::Anything;
        encrypted && self.key_hosts.iter().any(|host| listed.contains(&Some(host.as_str())))
    }

    fn headers(&self, delivery: &Delivery, with_key: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-gh-sequence", delivery.seq.into());
        let id = delivery.id.to_string();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        if let Some(signer) = &self.signer {
            set("webhook-signature", signer.standard(&id, now, &delivery.body));
            set("x-gh-signature", signer.older(&delivery.body));
        }
        set("webhook-id", id);
        set("webhook-timestamp", now.to_string());
        if let Some(key) = self.key.clone().filter(|_| with_key) {
            headers.insert(SERVICE_KEY, key);
        }
        headers
    }
}

fn key_header(key: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(key.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}

/// What went wrong before there was an answer, without the address: its query may be a secret.
fn of_error(error: reqwest::Error) -> Outcome {
    let error = error.without_url();
    if causes(&error).any(<dyn Error>::is::<NotPublic>) {
        return Outcome::Refused(NotPublic.to_string());
    }
    let reason = if error.is_timeout() {
        format!("no answer within {} s", TIMEOUT.as_secs())
    } else {
        causes(&error).last().map_or_else(|| error.to_string(), ToString::to_string)
    };
    Outcome::Failed { reason, ask_after: None, alive: false }
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next = |cause: &&'a (dyn Error + 'static)| {
        let cause: &'a (dyn Error + 'static) = *cause;
        cause.source()
    };
    std::iter::successors(error.source(), next)
}
