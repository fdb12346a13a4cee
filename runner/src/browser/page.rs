//! What we do with a page: load it, find its frames, wait until it is still, take its picture.

use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::dom::GetBoxModelParams;
use chromiumoxide::cdp::browser_protocol::network::LoaderId;
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, CaptureScreenshotParams, Frame, FrameId, FrameTree, GetFrameTreeParams,
    GetLayoutMetricsParams, NavigateParams, Viewport,
};
use chromiumoxide::cdp::browser_protocol::target::SessionId;
use serde_json::Value;

use super::frames::Apart;
use super::{BrowserError, Session, World};

/// The tallest screenshot; longer pages are cut.
const TALLEST: f64 = 6_000.0;
/// A frame smaller than this on either side holds no form.
const SMALLEST_FRAME: i64 = 60;
/// How long the process of a frame may take to say what is in it.
const FRAME: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);
/// What changes while a document is being built.
const PULSE: &str = "() => ({ ready: document.readyState !== 'loading', url: location.href, \
    size: document.getElementsByTagName('*').length, text: document.body ? document.body.textContent.length : 0 })";

impl Session {
    /// Loads an address and waits until its document is there; what it loads itself may still be on its way.
    ///
    /// # Errors
    /// When the address cannot be loaded at all.
    pub async fn goto(&self, url: &str, limit: Duration) -> Result<(), BrowserError> {
        const SLOW: BrowserError = BrowserError::Timeout("loading the page");
        let until = tokio::time::Instant::now() + limit;
        // The browser fetches the page while the process that is to show it may still be starting.
        let navigate = self.call_within(limit, "Page.navigate", NavigateParams::new(url));
        let (before, answer) = tokio::join!(self.document(self.page()), navigate);
        let before = match before {
            Ok(frame) => Some(frame.loader_id),
            Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) => None,
            Err(error) => return Err(error),
        };
        let new = match answer {
            Ok(answer) => match (answer.error_text, answer.loader_id) {
                (Some(text), _) => return Err(BrowserError::Navigation(text)),
                (None, None) => return Ok(()), // another place of the same document
                (None, Some(new)) => new,
            },
            Err(BrowserError::Timeout(_)) => return Err(SLOW),
            Err(BrowserError::Protocol(text)) => return Err(BrowserError::Navigation(text)),
            Err(error) => return Err(error),
        };
        // The page may have led elsewhere by itself when it is looked at.
        let is_new = |now: &LoaderId| *now == new || before.as_ref().is_some_and(|before| now != before);
        tokio::time::timeout_at(until, self.landed(is_new)).await.map_err(|_| SLOW)?
    }

    /// Waits until a new document is there to be read.
    async fn landed(&self, is_new: impl Fn(&LoaderId) -> bool) -> Result<(), BrowserError> {
        loop {
            match self.document(self.page()).await {
                Ok(now) if !is_new(&now.loader_id) => {}
                Ok(_) if self.pulse(self.page()).await?["ready"] == true => return Ok(()),
                Ok(_) | Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The page's frames, the main one first; tiny and unrendered ones are left out.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn worlds(&self) -> Result<Vec<World>, BrowserError> {
        let mut worlds = self.worlds_of(self.page()).await?;
        let mut unseen = Vec::new();
        for apart in self.frames().all() {
            if unseen.contains(&apart.parent) || !self.is_rendered(&apart.parent, &apart.frame).await {
                unseen.push(apart.session);
                continue;
            }
            match self.in_time(&apart, self.worlds_of(&apart.session)).await {
                Ok(inner) => worlds.extend(inner),
                Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) => unseen.push(apart.session),
                Err(error) => return Err(error),
            }
        }
        Ok(worlds)
    }

    /// Waits for what a frame's process is asked. One that hangs is left out from now on, so that it hangs nothing else.
    async fn in_time<T>(
        &self,
        apart: &Apart,
        answer: impl Future<Output = Result<T, BrowserError>>,
    ) -> Result<T, BrowserError> {
        if let Ok(answer) = tokio::time::timeout(FRAME, answer).await {
            return answer;
        }
        tracing::warn!(frame = apart.frame.inner(), "a frame whose process does not answer is left out");
        self.frames().remove(&apart.session);
        Err(BrowserError::Stale("the frame does not answer".into()))
    }

    /// The frames that one session speaks to.
    async fn worlds_of(&self, session: &SessionId) -> Result<Vec<World>, BrowserError> {
        let mut frames = Vec::new();
        flatten(self.tree(session).await?, &mut frames);
        let mut worlds = Vec::new();
        for (position, frame) in frames.into_iter().enumerate() {
            if position > 0 && !self.is_rendered(session, &frame.id).await {
                continue;
            }
            match self.world(session, frame).await {
                Ok(world) => worlds.push(world),
                Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) if position > 0 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(worlds)
    }

    /// The main frame's world.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn main_world(&self) -> Result<World, BrowserError> {
        let frame = self.document(self.page()).await?;
        self.world(self.page(), frame).await
    }

    /// The address that the main frame could not load; empty when it loaded one.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn unreachable(&self) -> Result<String, BrowserError> {
        Ok(self.document(self.page()).await?.unreachable_url.unwrap_or_default())
    }

    async fn tree(&self, session: &SessionId) -> Result<FrameTree, BrowserError> {
        Ok(self.call_in(session, "Page.getFrameTree", GetFrameTreeParams::default()).await?.frame_tree)
    }

    /// The outermost frame of a session as it is now.
    async fn document(&self, session: &SessionId) -> Result<Frame, BrowserError> {
        Ok(self.tree(session).await?.frame)
    }

    async fn is_rendered(&self, session: &SessionId, frame: &FrameId) -> bool {
        let Ok(owner) = self.owner(session, frame).await else { return false };
        let params = GetBoxModelParams::builder().backend_node_id(owner).build();
        let model = self.call_in(session, "DOM.getBoxModel", params).await;
        model.is_ok_and(|it| it.model.width >= SMALLEST_FRAME && it.model.height >= SMALLEST_FRAME)
    }

    /// Waits until the page has loaded, its requests have ended and its documents have stood still for 250 ms.
    ///
    /// # Errors
    /// When the browser does not answer; a page that never rests is not an error.
    pub async fn settle(&self, limit: Duration) -> Result<(), BrowserError> {
        const STILL: Duration = Duration::from_millis(250);
        let (until, mut since, mut last) = (Instant::now() + limit, Instant::now(), Vec::new());
        while Instant::now() < until {
            let now = self.pulses().await?;
            let ready = now.first().is_some_and(|page| page["ready"] == true);
            tracing::trace!(?now, pending = self.network().pending(), "settling");
            if now != last || !ready || self.network().pending() > 0 {
                (since, last) = (Instant::now(), now);
            } else if since.elapsed() >= STILL {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The pulse of the page, then those of its frames in other processes.
    async fn pulses(&self) -> Result<Vec<Value>, BrowserError> {
        let mut pulses = vec![self.pulse(self.page()).await?];
        for apart in self.frames().all() {
            match self.in_time(&apart, self.pulse(&apart.session)).await {
                Ok(pulse) => pulses.push(pulse),
                Err(BrowserError::Stale(_)) => {} // nothing to wait for any more
                Err(error) => return Err(error),
            }
        }
        Ok(pulses)
    }

    async fn pulse(&self, session: &SessionId) -> Result<Value, BrowserError> {
        let pulse = async {
            let frame = self.document(session).await?;
            let world = self.empty_world(session, frame).await?;
            self.run(&world, PULSE, &[]).await
        };
        match pulse.await {
            Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) => Ok(Value::Null),
            pulse => pulse,
        }
    }

    /// A picture of the whole page, secrets blackened.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn screenshot(&self) -> Result<Vec<u8>, BrowserError> {
        let worlds = self.worlds().await?;
        for world in &worlds {
            self.run::<Value>(world, "() => __gh.mask(true)", &[]).await?;
        }
        let size =
            self.call("Page.getLayoutMetrics", GetLayoutMetricsParams::default()).await?.css_content_size;
        let clip = Viewport {
            x: 0.0,
            y: 0.0,
            width: size.width.clamp(1.0, TALLEST),
            height: size.height.clamp(1.0, TALLEST),
            scale: 1.0,
        };
        let params = CaptureScreenshotParams::builder()
            .format(CaptureScreenshotFormat::Png)
            .clip(clip)
            .capture_beyond_viewport(true)
            .build();
        let taken = self.call("Page.captureScreenshot", params).await;
        for world in &worlds {
            let _ = self.run::<Value>(world, "() => __gh.mask(false)", &[]).await;
        }
        let encoded: String = taken?.data.into();
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
        decoded.map_err(|error| BrowserError::Protocol(error.to_string()))
    }
}

fn flatten(tree: FrameTree, into: &mut Vec<Frame>) {
    into.push(tree.frame);
    for child in tree.child_frames.into_iter().flatten() {
        flatten(child, into);
    }
}
