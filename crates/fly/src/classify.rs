//! Which failure means what: the one place that knows Fly's status codes and texts.
//!
//! Rules go from the specific to the general, because Fly uses one status for several things: 409 is a name clash,
//! a full host, a full region or a lease, and only the text tells them apart.

use crate::error::{Cause, Next, Shortage};
use serde_json::Value;
use std::time::Duration;

/// What a call does, as far as its failures are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only reads, and may be repeated at will.
    Read,
    /// It makes a machine.
    Create,
    /// It changes a machine that exists.
    Change,
}

/// What is known of an answer that is not a success.
pub struct Refused<'a> {
    pub status: u16,
    /// Fly's text, from `error`, `message` or the raw body.
    pub text: &'a str,
    /// The `status` field of the body.
    pub word: Option<&'a str>,
    pub retry_after: Option<Duration>,
}

/// What to do after such an answer.
pub fn refused(kind: Kind, refused: &Refused<'_>) -> Next {
    let text = refused.text.to_ascii_lowercase();
    let says = |part: &str| text.contains(part);
    let unknown = if kind == Kind::Read {
        Next::BackOff { retry_after: refused.retry_after }
    } else {
        Next::UnknownOutcome
    };

    if says("unique machine name violation") || (kind == Kind::Create && says("already_exists")) {
        return holder(refused.text).map_or(Next::UnknownOutcome, Next::Adopt);
    }
    if says("manifest unknown")
        || says("manifest_unknown")
        || says("failed to get manifest")
        || says("unable to get image")
    {
        return Next::Breaker(Cause::BadImage);
    }
    if matches!(refused.status, 403 | 404 | 409 | 412 | 422 | 503)
        && let Some(next) = shortage(&text, refused.word)
    {
        return next;
    }
    match refused.status {
        429 => Next::BackOff { retry_after: refused.retry_after },
        401 | 403 => Next::Breaker(Cause::Auth),
        // An app that was made seconds ago is not known everywhere yet.
        404 if says("no rows in result set") => Next::BackOff { retry_after: refused.retry_after },
        // A machine that is not there never comes here (`Client` knows it), so it is the app or the address.
        404 => Next::Breaker(Cause::NoApp),
        400 if says("config.") => Next::Breaker(Cause::BadConfig),
        // A lease, or a change by somebody else: nothing was done.
        409 if says("lease currently held") || says("concurrent update") => {
            Next::BackOff { retry_after: refused.retry_after }
        }
        // A 409 we cannot read may be a name clash in new words.
        408 | 409 | 500.. => unknown,
        _ => Next::Definite,
    }
}

/// The quota and capacity answers, by their text (after fly-go's list of them).
fn shortage(text: &str, word: Option<&str>) -> Option<Next> {
    let says = |part: &str| text.contains(part);
    let region_full = matches!(word, Some("insufficient_capacity" | "volume_placement_capacity"))
        || says("insufficient_capacity")
        || says("could not find a candidate host")
        || says("insufficient resources available to fulfill request")
        || says("no capacity");
    let host_full = (says("insufficient") && says("available to fulfill request"))
        || says("could not reserve resource for machine")
        || says("governor policy blocked start")
        || says("deploys to this host are temporarily disabled");
    if says("over the allowed quota") {
        Some(Next::NextRegion(Shortage::Quota))
    } else if says("payment method") || says("machine limit") || says("quota") {
        Some(Next::Breaker(Cause::Quota))
    } else if region_full {
        Some(Next::NextRegion(Shortage::Capacity))
    } else if host_full {
        Some(Next::SameRegionAgain)
    } else {
        None
    }
}

/// The machine named in `…machine ID 1857156b526dd8 already exists with name "…"`.
fn holder(text: &str) -> Option<String> {
    let after = text.split_once("machine ID ")?.1;
    let id: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!id.is_empty()).then_some(id)
}

/// What to do when no whole answer came.
pub fn lost(kind: Kind, error: &reqwest::Error) -> Next {
    // A connection that was never made has carried no request.
    if kind == Kind::Read || error.is_connect() {
        Next::BackOff { retry_after: None }
    } else if error.is_builder() {
        Next::Definite
    } else {
        Next::UnknownOutcome
    }
}

/// What to do when a success cannot be read.
pub fn unreadable(kind: Kind) -> Next {
    if kind == Kind::Read { Next::BackOff { retry_after: None } } else { Next::UnknownOutcome }
}

/// Fly's text in a body: `error`, `message`, or the body itself, cut to what a log line bears.
pub fn text_of(body: &[u8]) -> (String, Option<String>) {
    const LONGEST: usize = 500;
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| Some(json.as_ref()?.get(name)?.as_str()?.to_owned());
    let raw = || String::from_utf8_lossy(body).trim().to_owned();
    let text = field("error").or_else(|| field("message")).unwrap_or_else(raw);
    (text.chars().take(LONGEST).collect(), field("status"))
}

/// The state in `…failed to reach desired state, started, currently created`.
pub fn current_state(text: &str) -> Option<&str> {
    let word = text.rsplit_once("currently ")?.1;
    let end = word.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(word.len());
    Some(&word[..end]).filter(|word| !word.is_empty())
}
