//! What the page sent and received: enough to know when it is quiet and how a submit was answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::network::{
    EventLoadingFailed, EventLoadingFinished, EventRequestWillBeSent, EventResponseReceived, ResourceType,
};
use chromiumoxide::error::CdpError;
use futures::StreamExt;
use tokio::task::JoinHandle;

/// A request that takes longer than this (long polling, a stream) does not keep the page from being quiet.
const SLOW: Duration = Duration::from_secs(4);

/// One request of the page.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its HTTP method.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Whether it loads a document (a page or a frame).
    pub document: bool,
    /// The frame it belongs to.
    pub frame: Option<String>,
    /// The answer's HTTP status.
    pub status: Option<u16>,
    /// When it was sent.
    pub sent: Instant,
    /// Whether it has ended, well or not.
    pub done: bool,
}

/// The requests of a page, by id.
#[derive(Debug, Default)]
pub struct Network(Mutex<HashMap<String, Exchange>>);

impl Network {
    /// Every request sent since `since`, oldest first.
    pub fn since(&self, since: Instant) -> Vec<Exchange> {
        let mut found: Vec<Exchange> = self.lock().values().filter(|it| it.sent >= since).cloned().collect();
        found.sort_by_key(|it| it.sent);
        found
    }

    /// Every request sent since `since` that changes something on the other side.
    pub fn writes_since(&self, since: Instant) -> Vec<Exchange> {
        let mut found = self.since(since);
        found.retain(|it| !matches!(it.method.as_str(), "GET" | "HEAD" | "OPTIONS"));
        found
    }

    /// How many requests are on their way, slow ones left out.
    pub fn pending(&self) -> usize {
        self.lock().values().filter(|it| !it.done && it.sent.elapsed() < SLOW).count()
    }

    /// The last answer to a document request of `frame`.
    pub fn document_status(&self, frame: &str) -> Option<u16> {
        let requests = self.lock();
        let documents = requests.values().filter(|it| it.document && it.frame.as_deref() == Some(frame));
        documents.filter(|it| it.status.is_some()).max_by_key(|it| it.sent).and_then(|it| it.status)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Exchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, id: &str) {
        if let Some(exchange) = self.lock().get_mut(id) {
            exchange.done = true;
        }
    }
}

enum Seen {
    Sent(Arc<EventRequestWillBeSent>),
    Answered(Arc<EventResponseReceived>),
    Ended(String),
}

/// Follows the page's requests until it is gone.
///
/// # Errors
/// When the page is already gone.
pub async fn watch(page: &Page, network: Arc<Network>) -> Result<JoinHandle<()>, CdpError> {
    let sent = page.event_listener::<EventRequestWillBeSent>().await?.map(Seen::Sent);
    let answered = page.event_listener::<EventResponseReceived>().await?.map(Seen::Answered);
    let finished = page.event_listener::<EventLoadingFinished>().await?;
    let failed = page.event_listener::<EventLoadingFailed>().await?;
    let ended = futures::stream::select(
        finished.map(|event| Seen::Ended(event.request_id.inner().clone())),
        failed.map(|event| Seen::Ended(event.request_id.inner().clone())),
    );
    let mut all = futures::stream::select(futures::stream::select(sent, answered), ended);
    Ok(tokio::spawn(async move {
        while let Some(seen) = all.next().await {
            note(&network, seen);
        }
    }))
}

fn note(network: &Network, seen: Seen) {
    match seen {
        Seen::Sent(event) => {
            let mut requests = network.lock();
            let id = event.request_id.inner().clone();
            // A redirect repeats the id: what was sent first, and how, is what counts as the write.
            if let (Some(answer), Some(first)) = (&event.redirect_response, requests.get(&id)) {
                let mut first = first.clone();
                (first.status, first.done) = (u16::try_from(answer.status).ok(), true);
                let hop = format!("{id}/{}", requests.len());
                requests.insert(hop, first);
            }
            let exchange = Exchange {
                method: event.request.method.clone(),
                url: event.request.url.clone(),
                document: event.r#type == Some(ResourceType::Document),
                frame: event.frame_id.as_ref().map(|frame| frame.inner().clone()),
                status: None,
                sent: Instant::now(),
                done: false,
            };
            requests.insert(id, exchange);
        }
        Seen::Answered(event) => {
            if let Some(exchange) = network.lock().get_mut(event.request_id.inner()) {
                exchange.status = u16::try_from(event.response.status).ok();
            }
        }
        Seen::Ended(id) => network.end(&id),
    }
}
