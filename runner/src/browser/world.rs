//! Our own script beside the page's.
//!
//! It lives in an isolated world: it sees the page's document but none of its JavaScript, so a page cannot change what the
//! script finds. Nodes stay in a list of that world; a [`Node`] is an index into it.

use chromiumoxide::cdp::browser_protocol::dom::{
    BackendNodeId, DescribeNodeParams, GetDocumentParams, Node as DomNode, ResolveNodeParams, ShadowRootType,
};
use chromiumoxide::cdp::browser_protocol::page::{CreateIsolatedWorldParams, Frame, FrameId};
use chromiumoxide::cdp::browser_protocol::target::SessionId;
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

/// Our script's place in one frame.
#[derive(Clone, Debug)]
pub struct World {
    /// The frame.
    pub frame: FrameId,
    /// The frame's address.
    pub url: String,
    pub(super) session: SessionId,
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
    /// A world of ours in a frame, with our script in it.
    pub(super) async fn world(&self, session: &SessionId, frame: Frame) -> Result<World, BrowserError> {
        let world = self.empty_world(session, frame).await?;
        if !self.run::<bool>(&world, "() => !!globalThis.__gh", &[]).await? {
            self.run::<Value>(&world, SCRIPT, &[]).await?;
        }
        Ok(world)
    }

    /// A world of ours in a frame, without the script.
    pub(super) async fn empty_world(&self, session: &SessionId, frame: Frame) -> Result<World, BrowserError> {
        let params = CreateIsolatedWorldParams::builder().frame_id(frame.id.clone()).world_name("ghosthands");
        let params = params.build().map_err(BrowserError::Protocol)?;
        let made = self.call_in(session, "Page.createIsolatedWorld", params).await?;
        let context = made.execution_context_id;
        Ok(World { frame: frame.id, url: frame.url, session: session.clone(), context })
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
        let answer = self.call_in(&world.session, "Runtime.callFunctionOn", params).await?;
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

    /// The id of a node in its frame's process, good for as long as the node exists.
    ///
    /// # Errors
    /// When the node is gone.
    pub async fn backend_id(&self, node: &Node) -> Result<BackendNodeId, BrowserError> {
        let object = self.object(node).await?;
        let params = DescribeNodeParams::builder().object_id(object).build();
        let described = self.call_in(&node.world.session, "DOM.describeNode", params).await?;
        Ok(described.node.backend_node_id)
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
        let resolved = self.call_in(&node.world.session, "DOM.resolveNode", params).await;
        let Ok(resolved) = resolved else { return Ok(false) };
        let index = CallArgument { value: Some(json!(node.index)), ..CallArgument::default() };
        let other = CallArgument { object_id: resolved.object.object_id, ..CallArgument::default() };
        let answer = self.invoke(&node.world, "(i, n) => __gh.hits(i, n)", vec![index, other], true).await?;
        Ok(answer.value == Some(Value::Bool(true)))
    }

    /// Tells our script about the closed shadow roots of all documents, which only the browser can see.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn open_closed_roots(&self, worlds: &[World]) -> Result<(), BrowserError> {
        for process in worlds.chunk_by(|one, next| one.session == next.session) {
            let params = GetDocumentParams::builder().depth(-1).pierce(true).build();
            let root = self.call_in(&process[0].session, "DOM.getDocument", params).await?.root;
            let mut closed = Vec::new();
            collect_closed(&root, &mut closed);
            for id in closed {
                self.adopt(process, id).await?;
            }
        }
        Ok(())
    }

    /// Gives a shadow root to the world of its document.
    async fn adopt(&self, worlds: &[World], root: BackendNodeId) -> Result<(), BrowserError> {
        for world in worlds {
            let params = ResolveNodeParams::builder().backend_node_id(root);
            let params = params.execution_context_id(world.context).build();
            let resolved = self.call_in(&world.session, "DOM.resolveNode", params).await;
            let Ok(resolved) = resolved else { continue };
            let root = CallArgument { object_id: resolved.object.object_id, ..CallArgument::default() };
            return self.invoke(world, "root => { __gh.adopt(root); }", vec![root], true).await.map(|_| ());
        }
        Ok(())
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
