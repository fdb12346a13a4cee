//! A browser that only looks: nothing but reading requests leaves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chromiumoxide::cdp::browser_protocol::fetch::{
    ContinueRequestParams, EnableParams, EventRequestPaused, FailRequestParams, FulfillRequestParams,
    RequestPattern,
};
use chromiumoxide::cdp::browser_protocol::network::{ErrorReason, ResourceType};
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use futures::StreamExt;
use tokio::task::JoinHandle;

use super::{BrowserError, Session};

/// Keeps a page in its own tab, where its requests are seen.
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
    task: JoinHandle<()>,
}

impl ReadOnly {
    /// How many requests were refused.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// From now on the page can send nothing: of its requests only GET, HEAD and OPTIONS leave the browser.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn read_only(&self) -> Result<ReadOnly, BrowserError> {
        let mut paused = self.paused().await?;
        let page = self.page().clone();
        let refused = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&refused);
        let task = tokio::spawn(async move {
            while let Some(event) = paused.next().await {
                let event: Arc<EventRequestPaused> = event;
                let id = event.request_id.clone();
                // A page that is gone answers neither call.
                if matches!(event.request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
                    let _ = page.execute(ContinueRequestParams::new(id)).await;
                } else {
                    count.fetch_add(1, Ordering::SeqCst);
                    tracing::info!(method = event.request.method, "a request that writes was refused");
                    if event.resource_type == ResourceType::Document {
                        // "No content": the page that wanted to leave stays.
                        let _ = page.execute(FulfillRequestParams::new(id, 204)).await;
                    } else {
                        let refusal = FailRequestParams::new(id, ErrorReason::BlockedByClient);
                        let _ = page.execute(refusal).await;
                    }
                }
            }
        });
        let everything = RequestPattern::builder().url_pattern("*").build();
        self.call("Fetch.enable", EnableParams::builder().pattern(everything).build()).await?;
        let script = AddScriptToEvaluateOnNewDocumentParams::builder()
            .source(ONE_TAB)
            .run_immediately(true)
            .build()
            .map_err(BrowserError::Protocol)?;
        self.call("Page.addScriptToEvaluateOnNewDocument", script).await?;
        Ok(ReadOnly { refused, task })
    }
}
