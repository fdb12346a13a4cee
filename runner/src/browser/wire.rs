//! One socket to Chromium with many sessions on it: commands and their answers, and events for whoever listens.
//!
//! chromiumoxide's own handler speaks to pages only, and a frame in a process of its own is a session beside the page's. So its
//! connection and its types are used, and nothing above them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::target::{EventDetachedFromTarget, SessionId};
use chromiumoxide::error::CdpError;
use chromiumoxide::types::{CallId, EventMessage, Message, Method, MethodId, Response};
use chromiumoxide::{Command, Connection};
use futures::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::BrowserError;

/// How long the socket may take to open.
const CONNECT: Duration = Duration::from_secs(15);

/// What Chromium says of nodes, worlds and frames that are no longer there.
const STALE: [&str; 11] = [
    "Could not find node",
    "No node with given id",
    "Cannot find context",
    "does not belong to the document",
    "Could not find object",
    "Node is detached",
    "No node found",
    "No frame for given id",
    "No frame with given id",
    "Frame with the given id",
    "Session with given id",
];

/// Something that happened in a session.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    /// Its name, such as `Network.loadingFinished`.
    pub(super) method: MethodId,
    /// The session it happened in; none means the browser's own.
    #[serde(default, rename = "sessionId")]
    pub(super) session: Option<SessionId>,
    #[serde(default)]
    params: Value,
}

impl Event {
    /// What it tells, if it is of the shape that is known.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let told = T::deserialize(&self.params);
        told.inspect_err(|error| tracing::debug!(%error, event = %self.method, "an event of another shape"))
            .ok()
    }
}

impl Method for Event {
    fn identifier(&self) -> MethodId {
        self.method.clone()
    }
}

impl EventMessage for Event {
    fn session_id(&self) -> Option<&str> {
        self.session.as_ref().map(AsRef::as_ref)
    }
}

/// What one listener is told, in order.
pub(super) type Events = mpsc::UnboundedReceiver<Arc<Event>>;
type Listeners = Arc<Mutex<Vec<mpsc::UnboundedSender<Arc<Event>>>>>;
type Answer = Result<Value, BrowserError>;

/// A command on its way out.
#[derive(Debug)]
struct Order {
    session: Option<SessionId>,
    method: MethodId,
    params: Value,
    answer: oneshot::Sender<Answer>,
}

/// A command whose answer is awaited.
struct Open {
    session: Option<SessionId>,
    answer: oneshot::Sender<Answer>,
}

/// The socket; commands leave it in the order in which they were given.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    orders: mpsc::UnboundedSender<Order>,
    listeners: Listeners,
}

impl Wire {
    /// Opens the socket at `url`. The task carries what is said until the socket or the last `Wire` is gone.
    ///
    /// # Errors
    /// When nothing answers there.
    pub(super) async fn open(url: &str) -> Result<(Self, JoinHandle<()>), BrowserError> {
        let connection = match timeout(CONNECT, Connection::connect(url)).await {
            Ok(connected) => connected.map_err(|error| BrowserError::Gone(error.to_string()))?,
            Err(_) => return Err(BrowserError::Timeout("connect")),
        };
        let (orders, inbox) = mpsc::unbounded_channel();
        let listeners = Listeners::default();
        let carrier = tokio::spawn(carry(connection, inbox, Arc::clone(&listeners)));
        Ok((Self { orders, listeners }, carrier))
    }

    /// Sends a command to a session, or to the browser itself, and waits for its answer at most for `limit`.
    ///
    /// # Errors
    /// When the browser refuses, does not answer in time or is gone, or the session is.
    pub(super) async fn call<C: Command>(
        &self,
        session: Option<&SessionId>,
        name: &'static str,
        command: C,
        limit: Duration,
    ) -> Result<C::Response, BrowserError> {
        let shape = |error: serde_json::Error| BrowserError::Protocol(format!("{name}: {error}"));
        let answered = self.order(session, command).map_err(shape)?;
        match timeout(limit, answered).await {
            Ok(Ok(answer)) => C::response_from_value(answer?).map_err(shape),
            Ok(Err(_)) => Err(BrowserError::Gone("the connection to the browser ended".into())),
            Err(_) => Err(BrowserError::Timeout(name)),
        }
    }

    /// Sends a command whose answer nobody waits for.
    pub(super) fn tell<C: Command>(&self, session: Option<&SessionId>, command: C) {
        let method = command.identifier();
        if let Err(error) = self.order(session, command) {
            tracing::warn!(%method, %error, "a command was not sent");
        }
    }

    /// Everything that happens from now on.
    pub(super) fn events(&self) -> Events {
        let (sender, events) = mpsc::unbounded_channel();
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        events
    }

    fn order<C: Command>(
        &self,
        session: Option<&SessionId>,
        command: C,
    ) -> serde_json::Result<oneshot::Receiver<Answer>> {
        let (answer, answered) = oneshot::channel();
        let method = command.identifier();
        let order =
            Order { session: session.cloned(), method, params: serde_json::to_value(command)?, answer };
        // A socket that is gone drops the order, and with it the promise of an answer.
        let _ = self.orders.send(order);
        Ok(answered)
    }
}

/// Carries orders out, and answers and events in. What is still open when it ends is never answered, which tells whoever waits.
async fn carry(
    mut connection: Connection<Event>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    listeners: Listeners,
) {
    let mut open: HashMap<CallId, Open> = HashMap::new();
    loop {
        let message = tokio::select! {
            order = orders.recv() => {
                let Some(Order { session, method, params, answer }) = order else { return };
                match connection.submit_command(method, session.clone(), params) {
                    Ok(id) => drop(open.insert(id, Open { session, answer })),
                    Err(error) => drop(answer.send(Err(BrowserError::Protocol(error.to_string())))),
                }
                continue;
            }
            message = connection.next() => message,
        };
        match message {
            Some(Ok(Message::Response(response))) => answer(&mut open, response),
            Some(Ok(Message::Event(event))) => {
                if event.method == EventDetachedFromTarget::IDENTIFIER {
                    let_go(&mut open, event.read());
                }
                let event = Arc::new(event);
                let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                listeners.retain(|listener| listener.send(Arc::clone(&event)).is_ok());
            }
            Some(Err(CdpError::InvalidMessage(_, error))) => {
                tracing::debug!(%error, "a message of the browser could not be read");
            }
            Some(Err(error)) => return tracing::debug!(%error, "the connection to the browser ended"),
            None => return,
        }
    }
}

fn answer(open: &mut HashMap<CallId, Open>, response: Response) {
    let Some(waiting) = open.remove(&response.id) else { return };
    let answer = match response.error {
        Some(error) => Err(sort(error.to_string())),
        None => Ok(response.result.unwrap_or_default()),
    };
    let _ = waiting.answer.send(answer); // whoever asked may have stopped waiting
}

/// Answers what a session still owes that is gone: nobody else will.
fn let_go(open: &mut HashMap<CallId, Open>, detached: Option<EventDetachedFromTarget>) {
    let Some(gone) = detached else { return };
    let owed: Vec<CallId> = open
        .iter()
        .filter(|(_, it)| it.session.as_ref() == Some(&gone.session_id))
        .map(|(id, _)| *id)
        .collect();
    for id in owed {
        if let Some(waiting) = open.remove(&id) {
            let _ = waiting.answer.send(Err(BrowserError::Stale("the frame is gone".into())));
        }
    }
}

/// Sorts Chromium's refusals by what the caller can do.
fn sort(text: String) -> BrowserError {
    if text.contains("Target closed") {
        BrowserError::Gone(text)
    } else if STALE.iter().any(|part| text.contains(part)) {
        BrowserError::Stale(text)
    } else {
        BrowserError::Protocol(text)
    }
}
