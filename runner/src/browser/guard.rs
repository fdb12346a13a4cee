//! A browser that only looks: nothing but reading requests leaves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chromiumoxide::cdp::browser_protocol::fetch::{
    ContinueRequestParams, DisableParams, EnableParams, EventRequestPaused, FailRequestParams,
    FulfillRequestParams, RequestPattern,
};
use chromiumoxide::cdp::browser_protocol::network::ErrorReason;
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use chromiumoxide::cdp::browser_protocol::target::SessionId;
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Carrier, Exchange, carried};
use super::wire::{Events, Wire};
use super::{BrowserError, Session};

/// Keeps a page in its own tab, where what it does is seen, and takes away what does not ask the network layer.
const ONE_TAB: &str = "(() => { \
    window.open = () => null; \
    const strip = (el) => el && el.removeAttribute && ['target', 'formtarget'].forEach((name) => el.removeAttribute(name)); \
    addEventListener('click', (event) => event.composedPath().forEach(strip), true); \
    addEventListener('submit', (event) => strip(event.target), true); \
    const send = HTMLFormElement.prototype.submit; \
    HTMLFormElement.prototype.submit = function () { strip(this); return send.call(this); }; \
    if (window.WebSocket) WebSocket.prototype.send = function () {}; \
    if (window.RTCDataChannel) RTCDataChannel.prototype.send = function () {}; \
    if (window.WebTransport) window.WebTransport = undefined; \
})()";

/// What a guard knows and has done.
#[derive(Debug, Default)]
struct State {
    refused: Mutex<Vec<Exchange>>,
    rules: Mutex<Rules>,
}

/// What the guard refuses beside requests that write by their method.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Answers that no address may carry; one of them may, in what a script asks, until `closed`: a list is looked up with it.
    pub answers: Vec<String>,
    /// Whether no address at all may carry an answer.
    pub closed: bool,
    /// Whether a script may upload a file now.
    pub upload: bool,
}

/// Lets reading requests through and refuses all others until it is released.
#[derive(Debug)]
pub struct ReadOnly {
    state: Arc<State>,
    _task: AbortOnDropHandle<()>,
}

impl ReadOnly {
    /// How many requests were refused.
    pub fn refused(&self) -> usize {
        self.refusals().len()
    }

    /// The requests that were refused, oldest first.
    pub fn refusals(&self) -> Vec<Exchange> {
        self.state.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is refused.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state.rules.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Session {
    /// From now on the browser can send nothing: of its requests only GET, HEAD and OPTIONS leave it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn read_only(&self) -> Result<ReadOnly, BrowserError> {
        self.hold_writes(true).await
    }

    /// Like [`Session::read_only`]; a page may open others where it is not kept in its tab.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn hold_writes(&self, one_tab: bool) -> Result<ReadOnly, BrowserError> {
        let state = Arc::<State>::default();
        let task = tokio::spawn(judge(self.wire().clone(), self.wire().events(), Arc::clone(&state)));
        let guard = ReadOnly { state, _task: AbortOnDropHandle::new(task) };
        // The browser's own session sees what is yet to come, tabs and workers of a site too; the others what is there already.
        self.call_browser("Fetch.enable", every_request()).await?;
        let script = script(one_tab);
        for session in self.frames().guard(one_tab) {
            hold(self.wire(), &session, script);
        }
        hold(self.wire(), self.page(), script);
        self.call("Fetch.enable", every_request()).await?; // answered after all that was told before
        Ok(guard)
    }

    /// Lets the browser send again. What a page was made to do without stays away from it until its next document.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn release(&self, guard: ReadOnly) -> Result<(), BrowserError> {
        for session in self.frames().unguard() {
            self.wire().tell(Some(&session), DisableParams::default());
        }
        self.call_browser("Fetch.disable", DisableParams::default()).await?;
        self.call("Fetch.disable", DisableParams::default()).await?;
        drop(guard);
        Ok(())
    }
}

/// Has a session wait for leave for each of its requests, and gives its documents a script.
pub(super) fn hold(wire: &Wire, session: &SessionId, script: &str) {
    wire.tell(Some(session), every_request());
    if !script.is_empty() {
        let mut script = AddScriptToEvaluateOnNewDocumentParams::new(script);
        script.run_immediately = Some(true);
        wire.tell(Some(session), script);
    }
}

/// The script of a guard that keeps pages in their tab.
pub(super) const fn script(one_tab: bool) -> &'static str {
    if one_tab { ONE_TAB } else { "" }
}

fn every_request() -> EnableParams {
    EnableParams::builder().pattern(RequestPattern::builder().url_pattern("*").build()).build()
}

async fn judge(wire: Wire, mut events: Events, state: Arc<State>) {
    while let Some(event) = events.recv().await {
        if event.method != EventRequestPaused::IDENTIFIER {
            continue;
        }
        // One that is not understood stays where it is: it does not leave.
        let Some(paused) = event.read::<EventRequestPaused>() else { continue };
        let rules = state.rules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (id, session) = (paused.request_id.clone(), event.session.as_ref());
        let carrier = Carrier::of(Some(&paused.resource_type));
        if may_leave(&paused, carrier, &rules) {
            wire.tell(session, ContinueRequestParams::new(id));
            continue;
        }
        tracing::info!(method = paused.request.method, "a request that writes was refused");
        state.refused.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange {
            method: paused.request.method,
            url: paused.request.url,
            carrier,
            by: String::new(),
            frame: Some(paused.frame_id.inner().clone()),
            message: String::new(),
            status: None,
            sent: Instant::now(),
            done: true,
        });
        if carrier == Carrier::Document {
            // "No content": the page that wanted to leave stays.
            wire.tell(session, FulfillRequestParams::new(id, 204));
        } else {
            wire.tell(session, FailRequestParams::new(id, ErrorReason::BlockedByClient));
        }
    }
}

fn may_leave(paused: &EventRequestPaused, carrier: Carrier, rules: &Rules) -> bool {
    if matches!(paused.request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        let most = usize::from(carrier == Carrier::Script && !rules.closed);
        return carried(&paused.request.url, &rules.answers) <= most;
    }
    rules.upload && carrier == Carrier::Script && holds_file(paused)
}

/// Whether a request's body is a file, or a form with files.
fn holds_file(paused: &EventRequestPaused) -> bool {
    let headers = paused.request.headers.inner().as_object();
    let kind = headers
        .into_iter()
        .flatten()
        .find_map(|(name, value)| name.eq_ignore_ascii_case("content-type").then(|| value.as_str())?)
        .unwrap_or_default()
        .to_lowercase();
    [
        "multipart/form-data",
        "application/octet-stream",
        "application/pdf",
        "application/msword",
        "application/vnd.",
    ]
    .iter()
    .any(|known| kind.starts_with(known))
}
