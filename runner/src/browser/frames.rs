//! Frames that live in a process of their own: each is a session beside the page's, and its nodes lie somewhere on the page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::dom::{
    BackendNodeId, GetBoxModelParams, GetFrameOwnerParams, GetNodeForLocationParams,
};
use chromiumoxide::cdp::browser_protocol::inspector::EventTargetCrashed;
use chromiumoxide::cdp::browser_protocol::page::{
    EventJavascriptDialogOpening, FrameId, GetLayoutMetricsParams, HandleJavaScriptDialogParams,
};
use chromiumoxide::cdp::browser_protocol::target::{
    EventAttachedToTarget, EventDetachedFromTarget, SessionId, SetAutoAttachParams,
};
use chromiumoxide::cdp::browser_protocol::{dom, inspector, network, page};
use chromiumoxide::cdp::js_protocol::runtime::RunIfWaitingForDebuggerParams;
use tokio::time::Instant;

use super::guard::{hold, script};
use super::launch::Killer;
use super::network::Network;
use super::wire::{Event, Events, Wire};
use super::{BrowserError, Session};

/// How long the page may take to scroll to a node of such a frame: it is asked by the frame's process and answers none.
const SCROLL: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(20);

/// A frame in a process of its own.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    pub(super) frame: FrameId,
    /// What speaks to the frame and to those inside it that share its process.
    pub(super) session: SessionId,
    /// The session of the document that holds it.
    pub(super) parent: SessionId,
}

/// The frames of a page that live apart, outer ones first.
#[derive(Debug, Default)]
pub(super) struct Frames(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    apart: Vec<Apart>,
    workers: Vec<SessionId>,
    /// Whether a guard holds what is to come, and whether it keeps pages in their tab.
    guarded: Option<bool>,
}

impl Frames {
    pub(super) fn all(&self) -> Vec<Apart> {
        self.lock().apart.clone()
    }

    fn of(&self, session: &SessionId) -> Option<Apart> {
        self.lock().apart.iter().find(|it| it.session == *session).cloned()
    }

    /// Has every frame and worker that is to come held by the guard before it begins; returns those that are there.
    pub(super) fn guard(&self, one_tab: bool) -> Vec<SessionId> {
        self.lock().guarded = Some(one_tab);
        self.sessions()
    }

    /// Ends that; returns those that are held.
    pub(super) fn unguard(&self) -> Vec<SessionId> {
        self.lock().guarded = None;
        self.sessions()
    }

    fn sessions(&self) -> Vec<SessionId> {
        let known = self.lock();
        known.apart.iter().map(|it| it.session.clone()).chain(known.workers.iter().cloned()).collect()
    }

    /// Adds a frame; says whether and how the guard is to hold it.
    fn add(&self, apart: Apart) -> Option<bool> {
        let mut known = self.lock();
        known.apart.push(apart);
        known.guarded
    }

    /// Adds a worker; says whether the guard is to hold it.
    fn add_worker(&self, session: SessionId) -> Option<bool> {
        let mut known = self.lock();
        known.workers.push(session);
        known.guarded
    }

    /// Forgets a frame and those inside it.
    pub(super) fn remove(&self, session: &SessionId) {
        let (mut known, mut gone) = (self.lock(), vec![session.clone()]);
        known.workers.retain(|it| it != session);
        known.apart.retain(|it| {
            let stays = !gone.contains(&it.session) && !gone.contains(&it.parent);
            if !stays {
                gone.push(it.session.clone());
            }
            stays
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a session to tell what happens in it, and to hold frames of other processes until they are attended to. Workers are held
/// too, whether one asks for them or not, so they have to be let go on (measured with 156).
pub(super) fn attend(wire: &Wire, session: &SessionId) -> SetAutoAttachParams {
    let session = Some(session);
    wire.tell(session, page::EnableParams::default());
    wire.tell(session, network::EnableParams::default());
    wire.tell(session, dom::EnableParams::default());
    wire.tell(session, inspector::EnableParams::default());
    SetAutoAttachParams {
        auto_attach: true,
        wait_for_debugger_on_start: true,
        flatten: Some(true),
        filter: None,
    }
}

/// Follows what happens in all sessions of a page.
pub(super) struct Watch {
    pub(super) wire: Wire,
    pub(super) network: Arc<Network>,
    pub(super) frames: Arc<Frames>,
    pub(super) killer: Killer,
}

impl Watch {
    /// Runs until the browser is closed.
    pub(super) async fn run(self, mut events: Events) {
        while let Some(event) = events.recv().await {
            match event.method.as_ref() {
                EventAttachedToTarget::IDENTIFIER => self.attached(&event),
                EventDetachedFromTarget::IDENTIFIER => {
                    if let Some(detached) = event.read::<EventDetachedFromTarget>() {
                        self.frames.remove(&detached.session_id);
                    }
                }
                // Calls to a process that died would wait for ever.
                EventTargetCrashed::IDENTIFIER => self.killer.kill(),
                EventJavascriptDialogOpening::IDENTIFIER => self.answer_dialog(&event),
                _ => self.network.see(&event),
            }
        }
    }

    fn attached(&self, event: &Event) {
        let Some(attached) = event.read::<EventAttachedToTarget>() else { return };
        let Some(parent) = event.session.clone() else { return }; // the page itself
        let (session, target) = (attached.session_id, attached.target_info);
        if target.r#type == "iframe" {
            let frame = FrameId::new(target.target_id.inner());
            let guarded = self.frames.add(Apart { frame, session: session.clone(), parent });
            let inner = attend(&self.wire, &session);
            self.wire.tell(Some(&session), inner);
            if let Some(one_tab) = guarded {
                hold(&self.wire, &session, script(one_tab));
            }
        } else {
            // What a worker sends is seen and held like what its page sends.
            self.wire.tell(Some(&session), network::EnableParams::default());
            if self.frames.add_worker(session.clone()).is_some() {
                hold(&self.wire, &session, "");
            }
        }
        self.wire.tell(Some(&session), RunIfWaitingForDebuggerParams::default());
    }

    /// A dialog holds the whole page until it is answered: what asks for leave gets it, what asks for words gets none.
    fn answer_dialog(&self, event: &Event) {
        let asks_for_words = event.read::<EventJavascriptDialogOpening>().is_none_or(|dialog| {
            tracing::info!(message = dialog.message, "the page shows a dialog");
            dialog.r#type == page::DialogType::Prompt
        });
        self.wire.tell(event.session.as_ref(), HandleJavaScriptDialogParams::new(!asks_for_words));
    }
}

impl Session {
    /// Where a point of a session's document lies on the page; none when nothing shows it there.
    ///
    /// # Errors
    /// When the frame is gone or the browser does not answer.
    pub(super) async fn surface(
        &self,
        session: &SessionId,
        (mut x, mut y): (f64, f64),
    ) -> Result<Option<(f64, f64)>, BrowserError> {
        let mut session = session.clone();
        while session != *self.page() {
            let apart = self.frames().of(&session).ok_or(BrowserError::Stale("the frame is gone".into()))?;
            let Some(outer) = self.through(&apart, x, y).await? else { return Ok(None) };
            ((x, y), session) = (outer, apart.parent);
        }
        Ok(Some((x, y)))
    }

    /// The same point in the document that holds the frame, once it is to be seen there.
    async fn through(&self, apart: &Apart, x: f64, y: f64) -> Result<Option<(f64, f64)>, BrowserError> {
        let until = Instant::now() + SCROLL;
        let owner = self.owner(&apart.parent, &apart.frame).await?;
        loop {
            let params = GetBoxModelParams::builder().backend_node_id(owner).build();
            let model = self.call_in(&apart.parent, "DOM.getBoxModel", params).await?.model;
            if let [left, top, ..] = *model.content.inner().as_slice() {
                let outer = (left + x, top + y);
                if self.found_at(&apart.parent, outer).await? == Some(owner) {
                    return Ok(Some(outer));
                }
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The element that shows a frame.
    pub(super) async fn owner(
        &self,
        parent: &SessionId,
        frame: &FrameId,
    ) -> Result<BackendNodeId, BrowserError> {
        let params = GetFrameOwnerParams::new(frame.clone());
        Ok(self.call_in(parent, "DOM.getFrameOwner", params).await?.backend_node_id)
    }

    /// The node that a click at a point would reach.
    ///
    /// # Errors
    /// When the browser is gone.
    pub(super) async fn found_at(
        &self,
        session: &SessionId,
        (x, y): (f64, f64),
    ) -> Result<Option<BackendNodeId>, BrowserError> {
        // Boxes are told relative to what is visible, this question is asked relative to the whole document.
        let metrics = self.call_in(session, "Page.getLayoutMetrics", GetLayoutMetricsParams::default());
        let view = metrics.await?.css_layout_viewport;
        #[expect(clippy::cast_possible_truncation, reason = "screen coordinates are small")]
        let (x, y) = (x as i64, y as i64);
        if !(0..=view.client_width).contains(&x) || !(0..=view.client_height).contains(&y) {
            return Ok(None);
        }
        let at = GetNodeForLocationParams::builder().x(x + view.page_x).y(y + view.page_y);
        let params = at.ignore_pointer_events_none(false).build().map_err(BrowserError::Protocol)?;
        match self.call_in(session, "DOM.getNodeForLocation", params).await {
            Ok(found) => Ok(Some(found.backend_node_id)),
            Err(BrowserError::Gone(text)) => Err(BrowserError::Gone(text)),
            Err(_) => Ok(None),
        }
    }
}
