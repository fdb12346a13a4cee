//! A browser that only looks: nothing but reading requests leaves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chromiumoxide::cdp::browser_protocol::fetch::{
    ContinueRequestParams, EnableParams, EventRequestPaused, FailRequestParams, FulfillRequestParams,
    RequestPattern,
};
use chromiumoxide::cdp::browser_protocol::network::{ErrorReason, ResourceType};
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use chromiumoxide::cdp::browser_protocol::target::SessionId;
use tokio_util::task::AbortOnDropHandle;

use super::wire::{Events, Wire};
use super::{BrowserError, Session};

/// Keeps a page in its own tab, where what it does is seen.
const ONE_TAB: &str = "(() => { \
    window.open = () => null; \
    const strip = (el) => el && el.removeAttribute && el.removeAttribute('target'); \
    addEventListener('click', (event) => event.composedPath().forEach(strip), true); \
    addEventListener('submit', (event) => strip(event.target), true); \
    const send = HTMLFormElement.prototype.submit; \
    HTMLFormElement.prototype.submit = function () { strip(this); return send.call(this); }; \
})()";

/// Lets reading requests through and refuses all others until it is dropped.
#[derive(Debug)]
pub struct ReadOnly {
    refused: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl ReadOnly {
    /// How many requests were refused.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

impl Session {
    /// From now on the browser can send nothing: of its requests only GET, HEAD and OPTIONS leave it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn read_only(&self) -> Result<ReadOnly, BrowserError> {
        let refused = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(judge(self.wire().clone(), self.wire().events(), Arc::clone(&refused)));
        let guard = ReadOnly { refused, _task: AbortOnDropHandle::new(task) };
        // The browser's own session sees what is yet to come, tabs and workers of a site too; the others what is there already.
        self.call_browser("Fetch.enable", every_request()).await?;
        for apart in self.frames().guard() {
            hold(self.wire(), &apart.session);
        }
        hold(self.wire(), self.page());
        self.call("Fetch.enable", every_request()).await?; // answered after all that was told before
        Ok(guard)
    }
}

/// Has a session wait for leave for each of its requests, and keep its documents in their tab.
pub(super) fn hold(wire: &Wire, session: &SessionId) {
    wire.tell(Some(session), every_request());
    let mut script = AddScriptToEvaluateOnNewDocumentParams::new(ONE_TAB);
    script.run_immediately = Some(true);
    wire.tell(Some(session), script);
}

fn every_request() -> EnableParams {
    EnableParams::builder().pattern(RequestPattern::builder().url_pattern("*").build()).build()
}

async fn judge(wire: Wire, mut events: Events, refused: Arc<AtomicUsize>) {
    while let Some(event) = events.recv().await {
        if event.method != EventRequestPaused::IDENTIFIER {
            continue;
        }
        // One that is not understood stays where it is: it does not leave.
        let Some(paused) = event.read::<EventRequestPaused>() else { continue };
        let (id, session) = (paused.request_id, event.session.as_ref());
        if matches!(paused.request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            wire.tell(session, ContinueRequestParams::new(id));
            continue;
        }
        refused.fetch_add(1, Ordering::SeqCst);
        tracing::info!(method = paused.request.method, "a request that writes was refused");
        if paused.resource_type == ResourceType::Document {
            // "No content": the page that wanted to leave stays.
            wire.tell(session, FulfillRequestParams::new(id, 204));
        } else {
            wire.tell(session, FailRequestParams::new(id, ErrorReason::BlockedByClient));
        }
    }
}
