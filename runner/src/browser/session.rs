//! One connection to one page: every call has a deadline, and a lost browser ends every wait.

use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::dom::BackendNodeId;
use chromiumoxide::cdp::browser_protocol::fetch::EventRequestPaused;
use chromiumoxide::cdp::browser_protocol::inspector::{self, EventTargetCrashed};
use chromiumoxide::cdp::browser_protocol::page::{
    EventFileChooserOpened, SetInterceptFileChooserDialogParams,
};
use chromiumoxide::cdp::browser_protocol::{dom, target};
use chromiumoxide::error::CdpError;
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::listeners::EventStream;
use chromiumoxide::{Browser, Command, Page};
use futures::StreamExt;
use tokio::task::JoinHandle;

use super::launch::Killer;
use super::network::{self, Network};
use super::{BrowserConfig, BrowserError, Process, Workspace};
use crate::egress::{Egress, Gate, Policy};

/// How long one call may take; the slowest, a tall screenshot, needs about two seconds.
const CALL: Duration = Duration::from_secs(15);

/// A browser with one page under our control.
#[derive(Debug)]
pub struct Session {
    page: Page,
    network: Arc<Network>,
    tasks: Vec<JoinHandle<()>>,
    process: Process,
    egress: Egress,
    browser: Browser,
}

impl Session {
    /// Starts a browser that opens only what `policy` allows, and in it an empty page.
    ///
    /// # Errors
    /// When Chromium does not start or does not answer.
    pub async fn open(
        config: &BrowserConfig,
        workspace: &Workspace,
        policy: Policy,
    ) -> Result<Self, BrowserError> {
        let gate = Gate::new(policy, config.outside.clone());
        let egress = Egress::open(gate).await.map_err(|error| BrowserError::Launch(error.to_string()))?;
        let process = Process::launch(config, workspace, egress.port()).await?;
        let settings = HandlerConfig {
            ignore_https_errors: false,
            viewport: None,
            request_timeout: CALL,
            ..HandlerConfig::default()
        };
        let connect = Browser::connect_with_config(process.ws_url(), settings);
        let (browser, mut handler) = deadline("connect", connect).await?;
        let pump = tokio::spawn(async move {
            // An error here means the socket is gone. Going on would leave every later call without an answer.
            while let Some(Ok(())) = handler.next().await {}
        });
        // The pump ends with the socket, which ends with the process, which ends here when opening fails.
        let page = deadline("new page", browser.new_page("about:blank")).await?;
        let network = Arc::new(Network::default());
        let watch = network::watch(&page, Arc::clone(&network)).await.map_err(|error| sort(&error))?;
        let guard = end_with_the_page(&page, process.killer()).await.map_err(|error| sort(&error))?;
        let tasks = vec![pump, watch, guard];
        let session = Self { page, network, tasks, process, egress, browser };
        session.call("DOM.enable", dom::EnableParams::default()).await?;
        session.call("Inspector.enable", inspector::EnableParams::default()).await?;
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
        tokio::select! {
            biased;
            answer = deadline(name, self.page.execute(command)) => answer.map(|answer| answer.result),
            () = self.process.gone() => Err(BrowserError::Gone("the process ended".into())),
        }
    }

    /// Catches the next file dialog instead of showing it.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn chooser(&self) -> Result<Chooser, BrowserError> {
        let opened = deadline("file dialog", self.page.event_listener::<EventFileChooserOpened>()).await?;
        let params = SetInterceptFileChooserDialogParams::builder().enabled(true);
        self.call("Page.setInterceptFileChooserDialog", params.build().map_err(BrowserError::Protocol)?)
            .await?;
        Ok(Chooser(opened))
    }

    /// The page's requests that wait for leave.
    pub(super) async fn paused(&self) -> Result<EventStream<EventRequestPaused>, BrowserError> {
        deadline("paused requests", self.page.event_listener::<EventRequestPaused>()).await
    }

    /// The page itself.
    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// Lets file dialogs be shown again.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn end_chooser(&self) -> Result<(), BrowserError> {
        let params = SetInterceptFileChooserDialogParams::builder().enabled(false);
        let params = params.build().map_err(BrowserError::Protocol)?;
        self.call("Page.setInterceptFileChooserDialog", params).await.map(|_| ())
    }

    /// The addresses of pages that this one opened beside itself; they are closed.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn popups(&self) -> Result<Vec<String>, BrowserError> {
        let all = self.browser.execute(target::GetTargetsParams::default());
        let targets = deadline("targets", all).await?.result.target_infos;
        let mut found = Vec::new();
        for info in targets {
            // One without an address has not begun to load yet.
            let loads = !info.url.is_empty() && info.url != "about:blank";
            if info.r#type == "page" && info.opener_id.as_ref() == Some(self.target_id()) && loads {
                let close = self.browser.execute(target::CloseTargetParams::new(info.target_id));
                deadline("closing a page", close).await?;
                found.push(info.url);
            }
        }
        Ok(found)
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
    pub fn target_id(&self) -> &target::TargetId {
        self.page.target_id()
    }

    /// The id of the browser's process group, while it runs.
    pub fn process_group(&self) -> Option<i32> {
        self.process.group()
    }

    /// Kills the browser and waits until nothing of it is left.
    pub async fn close(mut self) {
        self.tasks.iter().for_each(JoinHandle::abort); // a socket that ends is no surprise now
        self.process.kill().await;
    }
}

/// A file dialog that is awaited.
pub struct Chooser(EventStream<EventFileChooserOpened>);

impl Chooser {
    /// The input that asked for a file, if one does within two seconds.
    pub async fn input(mut self) -> Option<BackendNodeId> {
        let opened = tokio::time::timeout(Duration::from_secs(2), self.0.next()).await.ok()??;
        opened.backend_node_id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Kills the browser when the page's own process dies: calls to such a page would wait for ever.
async fn end_with_the_page(page: &Page, killer: Killer) -> Result<JoinHandle<()>, CdpError> {
    let mut crashes = page.event_listener::<EventTargetCrashed>().await?;
    Ok(tokio::spawn(async move {
        if crashes.next().await.is_some() {
            killer.kill();
        }
    }))
}

async fn deadline<T>(
    name: &'static str,
    call: impl Future<Output = Result<T, CdpError>>,
) -> Result<T, BrowserError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|error| sort(&error)),
        Err(_) => Err(BrowserError::Timeout(name)),
    }
}

/// Sorts chromiumoxide's errors by what the caller can do.
fn sort(error: &CdpError) -> BrowserError {
    let text = error.to_string();
    let stale = [
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
    ];
    match error {
        CdpError::Timeout => BrowserError::Timeout("answer"),
        CdpError::Ws(_) | CdpError::NoResponse | CdpError::ChannelSendError(_) | CdpError::Io(_) => {
            BrowserError::Gone(text)
        }
        _ if text.contains("canceled") || text.contains("Target closed") => BrowserError::Gone(text),
        _ if stale.iter().any(|part| text.contains(part)) => BrowserError::Stale(text),
        _ => BrowserError::Protocol(text),
    }
}
