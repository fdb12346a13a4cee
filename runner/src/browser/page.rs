//! What we do with a page: load it, run our own script beside it, wait until it is still, take its picture.
//!
//! Our script lives in an isolated world: it sees the page's document but none of its JavaScript, so a page
//! cannot change what the script finds. Nodes stay in a list of that world; a [`Node`] is an index into it.

use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::dom::{
    BackendNodeId, DescribeNodeParams, GetBoxModelParams, GetDocumentParams, GetFrameOwnerParams,
    Node as DomNode, ResolveNodeParams, ShadowRootType,
};
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, CaptureScreenshotParams, CreateIsolatedWorldParams, FrameId, FrameTree,
    GetFrameTreeParams, GetLayoutMetricsParams, NavigateParams, Viewport,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    CallArgument, CallFunctionOnParams, ExecutionContextId, RemoteObject, RemoteObjectId,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{BrowserError, Session};

/// The script that reads and prepares pages; it defines `__gh` once per world.
const SCRIPT: &str = concat!(
    "() => { if (globalThis.__gh) return; const gh = globalThis.__gh = {};\n",
    include_str!("../form/js/dom.js"),
    include_str!("../form/js/label.js"),
    include_str!("../form/js/widget.js"),
    include_str!("../form/js/read.js"),
    include_str!("../form/js/page.js"),
    include_str!("../form/js/snapshot.js"),
    "}"
);
/// The tallest screenshot; longer pages are cut.
const TALLEST: f64 = 6_000.0;
/// A frame smaller than this on either side holds no form.
const SMALLEST_FRAME: i64 = 60;

/// Our script's place in one frame.
#[derive(Clone, Debug)]
pub struct World {
    /// The frame.
    pub frame: FrameId,
    /// The frame's address.
    pub url: String,
    context: ExecutionContextId,
}

/// One node of the page, held by our script.
#[derive(Clone, Debug)]
pub struct Node {
    /// The world that holds it.
    pub world: World,
    /// Its index there.
    pub index: u32,
}

impl Session {
    /// Loads an address and waits until its document is there; what it loads itself may still be on its way.
    ///
    /// # Errors
    /// When the address cannot be loaded at all.
    pub async fn goto(&self, url: &str, limit: Duration) -> Result<(), BrowserError> {
        // The answer to the command comes with the page's `load`, which one slow picture can hold back.
        let loaded = self.call("Page.navigate", NavigateParams::new(url));
        let answer = tokio::select! {
            answer = loaded => answer,
            () = self.landed() => return Ok(()),
            () = tokio::time::sleep(limit) => return Err(BrowserError::Timeout("loading the page")),
        };
        match answer {
            Ok(answer) => answer.error_text.map_or(Ok(()), |text| Err(BrowserError::Navigation(text))),
            Err(BrowserError::Timeout(_)) => Err(BrowserError::Timeout("loading the page")),
            Err(BrowserError::Protocol(text)) => Err(BrowserError::Navigation(text)),
            Err(error) => Err(error),
        }
    }

    /// Waits until a document of the web is there to be read.
    async fn landed(&self) {
        loop {
            if let Ok(world) = self.main_world().await
                && world.url.starts_with("http")
                && self
                    .run::<Value>(&world, "() => __gh.pulse()", &[])
                    .await
                    .is_ok_and(|now| now["ready"] == true)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page's frames, the main one first; tiny and unrendered ones are left out.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn worlds(&self) -> Result<Vec<World>, BrowserError> {
        let tree = self.call("Page.getFrameTree", GetFrameTreeParams::default()).await?.frame_tree;
        let mut frames = Vec::new();
        flatten(&tree, &mut frames);
        let mut worlds = Vec::new();
        for (position, (frame, url)) in frames.into_iter().enumerate() {
            if position > 0 && !self.is_rendered(&frame).await {
                continue;
            }
            match self.world(frame, url).await {
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
        let tree = self.call("Page.getFrameTree", GetFrameTreeParams::default()).await?.frame_tree;
        self.world(tree.frame.id, tree.frame.url).await
    }

    /// The address that the main frame could not load; empty when it loaded one.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn unreachable(&self) -> Result<String, BrowserError> {
        let tree = self.call("Page.getFrameTree", GetFrameTreeParams::default()).await?.frame_tree;
        Ok(tree.frame.unreachable_url.unwrap_or_default())
    }

    async fn world(&self, frame: FrameId, url: String) -> Result<World, BrowserError> {
        let params = CreateIsolatedWorldParams::builder().frame_id(frame.clone()).world_name("ghosthands");
        let params = params.build().map_err(BrowserError::Protocol)?;
        let context = self.call("Page.createIsolatedWorld", params).await?.execution_context_id;
        let world = World { frame, url, context };
        self.run::<Value>(&world, SCRIPT, &[]).await?;
        Ok(world)
    }

    async fn is_rendered(&self, frame: &FrameId) -> bool {
        let owner = self.call("DOM.getFrameOwner", GetFrameOwnerParams::new(frame.clone())).await;
        let Ok(owner) = owner else { return false };
        let params = GetBoxModelParams::builder().backend_node_id(owner.backend_node_id).build();
        let model = self.call("DOM.getBoxModel", params).await;
        model.is_ok_and(|it| it.model.width >= SMALLEST_FRAME && it.model.height >= SMALLEST_FRAME)
    }

    /// Calls a JavaScript function in a world with plain arguments and returns its plain result.
    ///
    /// # Errors
    /// When the world is gone, the function throws, or the result has another shape.
    pub async fn run<T: DeserializeOwned>(
        &self,
        world: &World,
        function: &str,
        args: &[Value],
    ) -> Result<T, BrowserError> {
        let args =
            args.iter().map(|arg| CallArgument { value: Some(arg.clone()), ..CallArgument::default() });
        let object = self.invoke(world, function, args.collect(), true).await?;
        let value = object.value.unwrap_or(Value::Null);
        serde_json::from_value(value)
            .map_err(|error| BrowserError::Protocol(format!("unexpected result: {error}")))
    }

    async fn invoke(
        &self,
        world: &World,
        function: &str,
        arguments: Vec<CallArgument>,
        by_value: bool,
    ) -> Result<RemoteObject, BrowserError> {
        let params = CallFunctionOnParams::builder()
            .function_declaration(function)
            .execution_context_id(world.context)
            .arguments(arguments)
            .return_by_value(by_value)
            .await_promise(true)
            .build()
            .map_err(BrowserError::Protocol)?;
        let answer = self.call("Runtime.callFunctionOn", params).await?;
        match answer.exception_details {
            Some(details) => {
                let thrown = details.exception.and_then(|it| it.description).unwrap_or(details.text);
                Err(BrowserError::Protocol(thrown))
            }
            None => Ok(answer.result),
        }
    }

    /// The browser's handle of a node.
    ///
    /// # Errors
    /// [`BrowserError::Stale`] when the node is no longer in the page.
    pub async fn object(&self, node: &Node) -> Result<RemoteObjectId, BrowserError> {
        let index = CallArgument { value: Some(json!(node.index)), ..CallArgument::default() };
        let object = self.invoke(&node.world, "i => __gh.live(i)", vec![index], false).await?;
        object.object_id.ok_or_else(|| BrowserError::Stale(format!("node {}", node.index)))
    }

    /// The browser-wide id of a node, good for as long as the node exists.
    ///
    /// # Errors
    /// When the node is gone.
    pub async fn backend_id(&self, node: &Node) -> Result<BackendNodeId, BrowserError> {
        let object = self.object(node).await?;
        let params = DescribeNodeParams::builder().object_id(object).build();
        Ok(self.call("DOM.describeNode", params).await?.node.backend_node_id)
    }

    /// Calls `__gh.hits(index, node)` for the node that the browser finds at a point.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn hits(&self, node: &Node, found: BackendNodeId) -> Result<bool, BrowserError> {
        let params = ResolveNodeParams::builder()
            .backend_node_id(found)
            .execution_context_id(node.world.context)
            .build();
        let Ok(resolved) = self.call("DOM.resolveNode", params).await else { return Ok(false) };
        let index = CallArgument { value: Some(json!(node.index)), ..CallArgument::default() };
        let other = CallArgument { object_id: resolved.object.object_id, ..CallArgument::default() };
        let answer = self.invoke(&node.world, "(i, n) => __gh.hits(i, n)", vec![index, other], true).await?;
        Ok(answer.value == Some(Value::Bool(true)))
    }

    /// Tells our script about the closed shadow roots of a document, which only the browser can see.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn open_closed_roots(&self, worlds: &[World]) -> Result<(), BrowserError> {
        let params = GetDocumentParams::builder().depth(-1).pierce(true).build();
        let root = self.call("DOM.getDocument", params).await?.root;
        let mut closed = Vec::new();
        collect_closed(&root, &mut closed);
        for id in closed {
            for world in worlds {
                let params =
                    ResolveNodeParams::builder().backend_node_id(id).execution_context_id(world.context);
                let Ok(resolved) = self.call("DOM.resolveNode", params.build()).await else { continue };
                let root = CallArgument { object_id: resolved.object.object_id, ..CallArgument::default() };
                self.invoke(world, "root => { __gh.adopt(root); }", vec![root], true).await?;
                break;
            }
        }
        Ok(())
    }

    /// Waits until the page has loaded, its requests have ended and its document has stood still for 250 ms.
    ///
    /// # Errors
    /// When the browser does not answer; a page that never rests is not an error.
    pub async fn settle(&self, limit: Duration) -> Result<(), BrowserError> {
        const STILL: Duration = Duration::from_millis(250);
        const LOOK: Duration = Duration::from_millis(50);
        let (until, mut since, mut last) = (Instant::now() + limit, Instant::now(), Value::Null);
        while Instant::now() < until {
            let now = match self.main_world().await {
                Ok(world) => {
                    self.run::<Value>(&world, "() => __gh.pulse()", &[]).await.unwrap_or(Value::Null)
                }
                Err(BrowserError::Stale(_) | BrowserError::Protocol(_)) => Value::Null,
                Err(error) => return Err(error),
            };
            let ready = now["ready"] == true;
            tracing::trace!(%now, pending = self.network().pending(), "settling");
            if now != last || !ready || self.network().pending() > 0 {
                (since, last) = (Instant::now(), now);
            } else if since.elapsed() >= STILL {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
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

fn flatten(tree: &FrameTree, into: &mut Vec<(FrameId, String)>) {
    into.push((tree.frame.id.clone(), tree.frame.url.clone()));
    for child in tree.child_frames.iter().flatten() {
        flatten(child, into);
    }
}

fn collect_closed(node: &DomNode, into: &mut Vec<BackendNodeId>) {
    for root in node.shadow_roots.iter().flatten() {
        if root.shadow_root_type == Some(ShadowRootType::Closed) {
            into.push(root.backend_node_id);
        }
        collect_closed(root, into);
    }
    for child in node.children.iter().flatten() {
        collect_closed(child, into);
    }
    if let Some(document) = &node.content_document {
        collect_closed(document, into);
    }
}
