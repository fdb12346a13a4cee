//! What the page sent and received: enough to know when it is quiet and how a submit was answered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::network::{
    EventLoadingFailed, EventLoadingFinished, EventRequestWillBeSent, EventResponseReceived,
    EventWebSocketFrameSent,
};

use super::exchange::{Carrier, Exchange};
use super::wire::Event;

/// A request that takes longer than this (long polling, a stream) does not keep the page from being quiet.
const SLOW: Duration = Duration::from_secs(4);
/// How much of a socket's message is kept.
const MESSAGE: usize = 20_000;

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

    /// How many requests are on their way, slow ones left out.
    pub fn pending(&self) -> usize {
        self.lock().values().filter(|it| !it.done && it.sent.elapsed() < SLOW).count()
    }

    /// The last answer to a document request of `frame`.
    pub fn document_status(&self, frame: &str) -> Option<u16> {
        let requests = self.lock();
        let documents = requests
            .values()
            .filter(|it| it.carrier == Carrier::Document && it.frame.as_deref() == Some(frame));
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

    /// Notes what one event says about a request; ids are unique across the processes of a browser.
    pub(super) fn see(&self, event: &Event) {
        match event.method.as_ref() {
            EventRequestWillBeSent::IDENTIFIER => {
                if let Some(sent) = event.read::<EventRequestWillBeSent>() {
                    self.sent(&sent);
                }
            }
            EventResponseReceived::IDENTIFIER => {
                if let Some(answered) = event.read::<EventResponseReceived>()
                    && let Some(exchange) = self.lock().get_mut(answered.request_id.inner())
                {
                    exchange.status = u16::try_from(answered.response.status).ok();
                }
            }
            EventLoadingFinished::IDENTIFIER => {
                if let Some(ended) = event.read::<EventLoadingFinished>() {
                    self.end(ended.request_id.inner());
                }
            }
            EventLoadingFailed::IDENTIFIER => {
                if let Some(ended) = event.read::<EventLoadingFailed>() {
                    self.end(ended.request_id.inner());
                }
            }
            EventWebSocketFrameSent::IDENTIFIER => {
                if let Some(sent) = event.read::<EventWebSocketFrameSent>() {
                    self.said(&sent);
                }
            }
            _ => {}
        }
    }

    fn sent(&self, event: &EventRequestWillBeSent) {
        let mut requests = self.lock();
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
            carrier: Carrier::of(event.r#type.as_ref()),
            by: event.document_url.clone(),
            frame: event.frame_id.as_ref().map(|frame| frame.inner().clone()),
            message: String::new(),
            status: None,
            sent: Instant::now(),
            done: false,
        };
        requests.insert(id, exchange);
    }

    /// Each message on a socket stands for itself.
    fn said(&self, event: &EventWebSocketFrameSent) {
        let mut requests = self.lock();
        let id = format!("{}/{}", event.request_id.inner(), requests.len());
        let exchange = Exchange {
            method: "SEND".into(),
            url: String::new(),
            carrier: Carrier::Socket,
            by: String::new(),
            frame: None,
            message: event.response.payload_data.chars().take(MESSAGE).collect(),
            status: None,
            sent: Instant::now(),
            done: true,
        };
        requests.insert(id, exchange);
    }
}
