//! A browser that is told what to do and listened to.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use chromiumoxide::browser::BrowserConfig;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
};
use chromiumoxide::cdp::browser_protocol::log::{EnableParams, EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::network::ClearBrowserCookiesParams;
use chromiumoxide::cdp::browser_protocol::page::{CaptureScreenshotParams, Viewport};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use futures::StreamExt;
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a page is looked at with.
#[derive(Clone, Copy)]
pub struct View {
    pub width: i64,
    pub height: i64,
    pub is_phone: bool,
    pub is_dark: bool,
}

impl View {
    pub const DESKTOP: Self = Self { width: 1280, height: 860, is_phone: false, is_dark: false };
    pub const PHONE: Self = Self { width: 390, height: 844, is_phone: true, is_dark: false };
}

pub struct Browser {
    browser: chromiumoxide::Browser,
    profile: Option<tempfile::TempDir>,
}

/// Distributions start Chromium by a script that waits for it: when the script is killed, which is all that dropping the
/// library's browser does, Chromium goes on. So everything that was told of the profile is killed, also when a test fails,
/// and waited for: what still writes into the profile while it is removed leaves it behind.
impl Drop for Browser {
    fn drop(&mut self) {
        const SIGKILL: i32 = 9;
        let Some(profile) = self.profile.take() else { return };
        let marker = profile.path().display().to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let alive = e2e::leftovers::find(&marker, profile.path());
            if alive.is_empty() || Instant::now() > until {
                break;
            }
            for found in &alive {
                e2e::process::send(found.id, SIGKILL);
            }
            e2e::process::pause();
        }
        let removed = profile.close();
        assert!(
            removed.is_ok() || std::thread::panicking(),
            "the browser left its profile behind: {removed:?}"
        );
    }
}

impl Browser {
    /// Starts one, if there is one.
    pub async fn start() -> Option<Self> {
        let Some(program) = xtask::tools::chromium() else {
            eprintln!("skipped: Chromium is not installed (`cargo xtask setup` installs it)");
            return None;
        };
        let profile = e2e::folder::scratch().expect("a folder");
        // It shows pages of our own only, so that it needs no sandbox, which root has not.
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .no_sandbox()
            .viewport(None)
            // A full Chromium makes a folder of its own there; its helpers are found by it as well.
            .env("TMPDIR", profile.path().display().to_string())
            .arg("hide-scrollbars");
        let (browser, mut handler) = chromiumoxide::Browser::launch(config.build().expect("a configuration"))
            .await
            .expect("a browser");
        tokio::spawn(async move { while handler.next().await.is_some() {} });
        Some(Self { browser, profile: Some(profile) })
    }

    /// A page of its own.
    pub async fn page(&self, home: &str, view: View) -> Page {
        let page = self.browser.new_page("about:blank").await.expect("a page");
        page.execute(SetDeviceMetricsOverrideParams::new(
            view.width,
            view.height,
            if view.is_phone { 2.0 } else { 1.0 },
            view.is_phone,
        ))
        .await
        .expect("a size");
        let scheme = MediaFeature {
            name: "prefers-color-scheme".into(),
            value: if view.is_dark { "dark" } else { "light" }.into(),
        };
        page.execute(SetEmulatedMediaParams::builder().feature(scheme).build()).await.expect("a scheme");
        // Every page begins as a stranger's.
        page.execute(ClearBrowserCookiesParams::default()).await.expect("no cookies");
        page.execute(EnableParams::default()).await.expect("a log");
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let mut entries = page.event_listener::<EventEntryAdded>().await.expect("a listener");
        let mut console = page.event_listener::<EventConsoleApiCalled>().await.expect("a listener");
        let mut thrown = page.event_listener::<EventExceptionThrown>().await.expect("a listener");
        let heard = complaints.clone();
        tokio::spawn(async move {
            loop {
                let said = tokio::select! {
                    Some(event) = entries.next() => {
                        (event.entry.level == LogEntryLevel::Error).then(|| format!("{:?}: {}", event.entry.source, event.entry.text))
                    }
                    Some(event) = console.next() => matches!(event.r#type, ConsoleApiCalledType::Error | ConsoleApiCalledType::Warning).then(|| format!("console: {:?}", event.args)),
                    Some(event) = thrown.next() => Some(format!("thrown: {:?}", event.exception_details)),
                    else => return,
                };
                heard.lock().expect("a list").extend(said);
            }
        });
        Page { page, home: home.to_owned(), complaints }
    }
}

/// How long a page took, in milliseconds from the navigation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Paint {
    /// Until something was painted.
    pub first: i64,
    /// From the request's first byte to the answer's last: the service and its database.
    pub whole: i64,
}

pub struct Page {
    page: chromiumoxide::Page,
    home: String,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Page {
    /// Opens a path and waits until it is painted.
    pub async fn open(&mut self, path: &str) -> Paint {
        self.page.goto(format!("{}{path}", self.home)).await.expect("the page opens");
        self.until("document.readyState === 'complete' && performance.getEntriesByName('first-contentful-paint').length > 0").await;
        let took = self
            .ask(
                "(() => {
                   const [page] = performance.getEntriesByType('navigation')
                   const paint = performance.getEntriesByName('first-contentful-paint')[0]
                   return [paint.startTime, page.responseEnd - page.requestStart].map(Math.round)
                 })()",
            )
            .await;
        let number = |index: usize| took[index].as_i64().expect("a number");
        Paint { first: number(0), whole: number(1) }
    }

    /// Signs in as people do, and waits for the page that follows.
    pub async fn sign_in(&mut self, key: &str, next: &str) {
        self.open(&format!("/sign-in?next={next}")).await;
        for (field, text) in [("input[name=key]", key), ("input[name=name]", "Ann")] {
            let field = self.page.find_element(field).await.expect("a field");
            field.click().await.expect("clicked").type_str(text).await.expect("typed");
        }
        self.run("document.querySelector('button.main').click()").await;
        self.until(&format!("location.pathname === '{next}'")).await;
    }

    /// Runs a script.
    pub async fn run(&self, script: &str) {
        self.ask(&format!("(() => {{ {script} }})(), true")).await;
    }

    /// The value of an expression. A page that is just being left has nobody to ask; the next one is asked.
    pub async fn ask(&self, expression: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.page.evaluate(expression).await {
                Ok(answer) => return answer.into_value().expect("a value"),
                Err(error) => assert!(Instant::now() < until, "{expression}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an expression is true; a page that is just being left has no answer.
    pub async fn until(&self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self
                .page
                .evaluate(expression)
                .await
                .ok()
                .and_then(|answer| answer.into_value::<Value>().ok());
            if answer == Some(Value::Bool(true)) {
                return;
            }
            let text = self.page.content().await.unwrap_or_default();
            assert!(Instant::now() < until, "never: {expression}\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The whole page as a picture.
    pub async fn photograph(&self, file: &Path) {
        let size =
            self.ask("[innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]").await;
        let side = |index: usize| size[index].as_f64().expect("a number");
        let clip = Viewport { x: 0.0, y: 0.0, width: side(0), height: side(1), scale: 1.0 };
        let how = CaptureScreenshotParams::builder().capture_beyond_viewport(true).clip(clip).build();
        let picture = self.page.execute(how).await.expect("a picture").result.data.clone();
        let picture = base64::engine::general_purpose::STANDARD.decode(picture).expect("base64");
        std::fs::write(file, picture).expect("written");
    }

    /// Errors of the console and breaches of the content policy so far.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("a list").clone()
    }
}
