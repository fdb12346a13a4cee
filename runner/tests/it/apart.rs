//! Frames with a process of their own: as safe as the page, and no danger to it.

use std::path::Path;
use std::time::{Duration, Instant};

use runner::browser::{BrowserConfig, BrowserError, Session, Workspace, World};
use runner::egress::Policy;
use runner::net::Reach;
use serde_json::Value;

use crate::candidate::{Run, browser};
use crate::process::with_arguments;
use crate::site::Site;

/// A browser that gives each site a process of its own.
pub fn apart(config: BrowserConfig, folder: &Path) -> BrowserConfig {
    with_arguments(config, folder, "--site-per-process")
}

/// A browser on a page whose frame is of another site.
struct Opened {
    session: Session,
    _workspace: Workspace,
    _folder: tempfile::TempDir,
}

impl Opened {
    async fn on(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = apart(browser(), folder.path());
        let workspace = Workspace::new(config.uid).expect("a folder");
        let session = Session::start(&config, &workspace).await.expect("a browser");
        session.gate().allow(Policy { reach: Reach::Anything, ..Policy::default() });
        session.goto(url, Duration::from_secs(20)).await.expect("the page");
        session.settle(Duration::from_secs(8)).await.expect("rest");
        Self { session, _workspace: workspace, _folder: folder }
    }

    /// The page and its frame.
    async fn worlds(&self) -> [World; 2] {
        let worlds = self.session.worlds().await.expect("worlds");
        let worlds = <[World; 2]>::try_from(worlds).expect("a page and a frame");
        assert!(worlds[1].url.starts_with("http://localhost"), "{}", worlds[1].url);
        worlds
    }

    async fn run(&self, world: &World, function: &str) -> Value {
        self.session.run(world, function, &[]).await.expect("an answer")
    }
}

#[tokio::test]
async fn a_secret_in_a_frame_apart_is_black_in_pictures() {
    let site = Site::start().await;
    let opened = Opened::on(&site.url("apart.html")).await;
    let [_, frame] = opened.worlds().await;
    let before = opened.session.screenshot().await.expect("a picture");
    opened.run(&frame, "() => { document.getElementById('secret').value = '8'; }").await;
    let same = opened.session.screenshot().await.expect("a picture");
    assert!(before == same, "what the secret says can be seen");
    opened.run(&frame, "() => { document.getElementById('plain').value = '8'; }").await;
    let other = opened.session.screenshot().await.expect("a picture");
    assert!(before != other, "the frame is not in the picture");
}

#[tokio::test]
async fn a_frame_that_goes_away_ends_every_wait_for_it() {
    let site = Site::start().await;
    let opened = Opened::on(&site.url("apart.html")).await;
    let [page, frame] = opened.worlds().await;
    let began = Instant::now();
    let (waited, _) = tokio::join!(
        opened.session.run::<Value>(&frame, "() => new Promise(() => {})", &[]),
        opened.run(&page, "() => { document.querySelector('iframe').remove(); }"),
    );
    assert!(matches!(waited, Err(BrowserError::Stale(_))), "{waited:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(opened.session.worlds().await.expect("worlds").len(), 1);
}

#[tokio::test]
async fn a_frame_apart_that_hangs_does_not_hang_the_job() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let mut run = Run::on(site.url("apart.html?hang"));
    run.tools.browser = apart(run.tools.browser, folder.path());
    run.time = Duration::from_mins(1);
    run.go().await.arrived();
    assert_eq!(site.only().one("first_name"), Some("Ada"));
}

#[tokio::test]
async fn a_frame_apart_of_a_browser_that_only_looks_sends_nothing() {
    let site = Site::start().await;
    let opened = Opened::on(&site.url("apart.html")).await;
    let guard = opened.session.read_only().await.expect("a guard");
    let [_, frame] = opened.worlds().await;
    let go = "async () => { dispatchEvent(new Event('go')); \
        while (!document.body.dataset.said) await new Promise((end) => setTimeout(end, 20)); \
        return JSON.parse(document.body.dataset.said); }";
    let said = opened.run(&frame, go).await;
    assert_eq!(said, serde_json::json!(["sent", "refused", "refused", "null"]));
    assert_eq!((guard.refused(), site.sent().len()), (2, 0));
}
