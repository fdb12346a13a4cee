//! One page of a browser: every call has a deadline, and a lost browser ends every wait.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::Command;
use chromiumoxide::cdp::browser_protocol::dom::{BackendNodeId, SetFileInputFilesParams};
use chromiumoxide::cdp::browser_protocol::page::{
    EventFileChooserOpened, SetInterceptFileChooserDialogParams,
};
use chromiumoxide::cdp::browser_protocol::target::{
    self, AttachToTargetParams, EventTargetCreated, SessionId, SetDiscoverTargetsParams, TargetId,
};
use tokio::task::JoinHandle;

use super::frames::{Frames, Watch, attend};
use super::network::Network;
use super::wire::{Events, Wire};
use super::{BrowserConfig, BrowserError, Process, Workspace, World};
use crate::egress::{Egress, Gate};

/// How long one call may take; the slowest, a tall screenshot, needs about two seconds.
const CALL: Duration = Duration::from_secs(15);
/// How long a click may take to ask for a file.
const CHOOSER: Duration = Duration::from_secs(2);

/// A browser with one page under our control.
#[derive(Debug)]
pub struct Session {
    wire: Wire,
    page: SessionId,
    target: TargetId,
    frames: Arc<Frames>,
    network: Arc<Network>,
    tasks: Vec<JoinHandle<()>>,
    process: Process,
    egress: Egress,
}

impl Session {
    /// Starts a browser with an empty page. It opens nothing until its [`Gate`] is given a policy.
    ///
    /// # Errors
    /// When Chromium does not start or does not answer.
    pub async fn start(config: &BrowserConfig, workspace: &Workspace) -> Result<Self, BrowserError> {
        let gate = Gate::closed(config.outside.clone());
        let egress = Egress::open(gate).await.map_err(|error| BrowserError::Launch(error.to_string()))?;
        let process = Process::launch(config, workspace, egress.port()).await?;
        // The carrier ends with the socket, which ends with the process, which ends here when starting fails.
        let (wire, carrier) = Wire::open(process.ws_url()).await?;
        let target = first_page(&wire).await?;
        let params = AttachToTargetParams { target_id: target.clone(), flatten: Some(true) };
        let page = wire.call(None, "Target.attachToTarget", params, CALL).await?.session_id;
        let (frames, network) = (Arc::<Frames>::default(), Arc::<Network>::default());
        let watch = Watch {
            wire: wire.clone(),
            network: Arc::clone(&network),
            frames: Arc::clone(&frames),
            killer: process.killer(),
        };
        let watch = tokio::spawn(watch.run(wire.events()));
        let inner = attend(&wire, &page);
        let session =
            Self { wire, page, target, frames, network, tasks: vec![carrier, watch], process, egress };
        session.call("Target.setAutoAttach", inner).await?;
        Ok(session)
    }

    /// Sends a command to the page and waits for its answer, at most 15 s.
    ///
    /// # Errors
    /// When the browser refuses, does not answer or is gone.
    pub async fn call<C: Command>(
        &self,
        name: &'static str,
        command: C,
    ) -> Result<C::Response, BrowserError> {
        self.call_in(&self.page, name, command).await
    }

    /// Like [`Session::call`], to the process of one frame.
    pub(super) async fn call_in<C: Command>(
        &self,
        session: &SessionId,
        name: &'static str,
        command: C,
    ) -> Result<C::Response, BrowserError> {
        self.answer(self.wire.call(Some(session), name, command, CALL)).await
    }

    /// Like [`Session::call`], with a limit of its own.
    pub(super) async fn call_within<C: Command>(
        &self,
        limit: Duration,
        name: &'static str,
        command: C,
    ) -> Result<C::Response, BrowserError> {
        self.answer(self.wire.call(Some(&self.page), name, command, limit)).await
    }

    /// Like [`Session::call`], to the browser itself.
    pub(super) async fn call_browser<C: Command>(
        &self,
        name: &'static str,
        command: C,
    ) -> Result<C::Response, BrowserError> {
        self.answer(self.wire.call(None, name, command, CALL)).await
    }

    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<T, BrowserError>>,
    ) -> Result<T, BrowserError> {
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.process.gone() => Err(BrowserError::Gone("the process ended".into())),
        }
    }

    /// Hands a file to an input of a frame.
    ///
    /// # Errors
    /// When the browser does not answer or the input is gone.
    pub async fn hand_file(
        &self,
        world: &World,
        input: BackendNodeId,
        path: &Path,
    ) -> Result<(), BrowserError> {
        let params =
            SetFileInputFilesParams::builder().file(path.display().to_string()).backend_node_id(input);
        let params = params.build().map_err(BrowserError::Protocol)?;
        self.call_in(&world.session, "DOM.setFileInputFiles", params).await.map(|_| ())
    }

    /// Catches the next file dialog of a frame instead of showing it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn chooser(&self, world: &World) -> Result<Chooser, BrowserError> {
        let chooser = Chooser { events: self.wire.events(), session: world.session.clone() };
        self.intercept_choosers(world, true).await?;
        Ok(chooser)
    }

    /// Lets file dialogs of a frame be shown again.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn end_chooser(&self, world: &World) -> Result<(), BrowserError> {
        self.intercept_choosers(world, false).await
    }

    async fn intercept_choosers(&self, world: &World, on: bool) -> Result<(), BrowserError> {
        let params = SetInterceptFileChooserDialogParams::builder().enabled(on);
        let params = params.build().map_err(BrowserError::Protocol)?;
        self.call_in(&world.session, "Page.setInterceptFileChooserDialog", params).await.map(|_| ())
    }

    /// The addresses of pages that this one opened beside itself; they are closed.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn popups(&self) -> Result<Vec<String>, BrowserError> {
        let all = target::GetTargetsParams::default();
        let targets = self.call_browser("Target.getTargets", all).await?.target_infos;
        let mut found = Vec::new();
        for info in targets {
            // One without an address has not begun to load yet.
            let loads = !info.url.is_empty() && info.url != "about:blank";
            if info.r#type == "page" && info.opener_id.as_ref() == Some(self.target_id()) && loads {
                let close = target::CloseTargetParams::new(info.target_id);
                self.call_browser("Target.closeTarget", close).await?;
                found.push(info.url);
            }
        }
        Ok(found)
    }

    /// Whether another page was opened beside this one.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn has_popup(&self) -> Result<bool, BrowserError> {
        let all = target::GetTargetsParams::default();
        let targets = self.call_browser("Target.getTargets", all).await?.target_infos;
        Ok(targets.iter().any(|it| it.r#type == "page" && it.opener_id.as_ref() == Some(self.target_id())))
    }

    /// What the page sent and received.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What decides which addresses are opened.
    pub fn gate(&self) -> &Gate {
        self.egress.gate()
    }

    /// The page's id in the browser.
    pub fn target_id(&self) -> &TargetId {
        &self.target
    }

    /// The id of the browser's process group, while it runs.
    pub fn process_group(&self) -> Option<i32> {
        self.process.group()
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The session of the page itself.
    pub(super) fn page(&self) -> &SessionId {
        &self.page
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Kills the browser and waits until nothing of it is left.
    pub async fn close(mut self) {
        self.tasks.iter().for_each(JoinHandle::abort); // a socket that ends is no surprise now
        self.process.kill().await;
    }
}

/// A file dialog that is awaited.
pub struct Chooser {
    events: Events,
    session: SessionId,
}

impl Chooser {
    /// The input that asked for a file, if one does within two seconds.
    pub async fn input(mut self) -> Option<BackendNodeId> {
        let opened = async {
            loop {
                let event = self.events.recv().await?;
                let ours = event.session.as_ref() == Some(&self.session);
                if ours && event.method == EventFileChooserOpened::IDENTIFIER {
                    return event.read::<EventFileChooserOpened>()?.backend_node_id;
                }
            }
        };
        tokio::time::timeout(CHOOSER, opened).await.ok()?
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The page that Chromium opens at its start.
async fn first_page(wire: &Wire) -> Result<TargetId, BrowserError> {
    let mut events = wire.events();
    wire.call(None, "Target.setDiscoverTargets", SetDiscoverTargetsParams::new(true), CALL).await?;
    let page = async {
        loop {
            let event = events.recv().await?;
            if event.method != EventTargetCreated::IDENTIFIER {
                continue;
            }
            let created = event.read::<EventTargetCreated>().map(|it| it.target_info);
            if let Some(page) = created.filter(|it| it.r#type == "page") {
                return Some(page.target_id);
            }
        }
    };
    let found = tokio::time::timeout(CALL, page).await.map_err(|_| BrowserError::Timeout("first page"))?;
    wire.tell(None, SetDiscoverTargetsParams::new(false));
    found.ok_or_else(|| BrowserError::Gone("the browser ended before its first page".into()))
}
