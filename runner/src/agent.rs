//! The agent: opens the page, fills page after page of the form, sends it once, and proves it.

mod advance;
mod custom;
mod enter;
mod fill;
mod help;
mod hold;
mod known;
mod learn;
mod mend;
mod press;
mod questions;
mod scrape;
mod send;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;
use url::Url;

use crate::blockers::{self, Blocker};
use crate::browser::guard::ReadOnly;
use crate::browser::{BrowserError, Session, Starting, Workspace};
use crate::decide::{Profile, answers::Answers};
use crate::desk::Desk;
use crate::egress::Policy;
use crate::form::Form;
use crate::job::{Input, Tools};
use crate::manual::{Found, Manual, Step};
use crate::net;
use crate::note::Reporter;
use crate::outcome::Outcome;
use crate::progress::{self, Progress};
use crate::record::Shared;

/// How many pages a form may have.
const PAGES: usize = 15;
/// How long an address may take to load.
const LOAD: Duration = Duration::from_secs(30);

/// Why the agent stopped.
#[derive(Debug)]
pub enum End {
    /// The job is over.
    Done(Outcome),
    /// The browser did not do what was asked.
    Lost(BrowserError),
}

impl From<BrowserError> for End {
    fn from(error: BrowserError) -> Self {
        Self::Lost(error)
    }
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self::Done(outcome)
    }
}

/// The agent at work on one job with one browser.
#[derive(Debug)]
pub struct Agent<'a> {
    input: &'a Input,
    tools: &'a Tools,
    record: Shared,
    reporter: Reporter,
    progress: Progress,
    profile: Profile,
    answers: Answers,
    session: Session,
    resume: Option<PathBuf>,
    pictures: usize,
    page: usize,
    permitted: bool,
    /// When the first answer was entered, and up to when it is known what became of what was sent.
    entered: Option<Instant>,
    accounted: Option<Instant>,
    guard: Option<ReadOnly>,
    asked: usize,
    repaired: usize,
    rows: HashMap<String, usize>,
    unfolded: HashSet<u32>,
    uploaded: bool,
    manual: Option<Manual>,
    form: Option<Found>,
    learned: Vec<Step>,
    manual_held: bool,
    desk: Desk,
    secret: Option<SecretString>,
    _workspace: Arc<Workspace>,
}

impl<'a> Agent<'a> {
    /// Takes the browser that is on its way, or starts one, and fetches the résumé meanwhile.
    ///
    /// # Errors
    /// When the address may not be opened or the browser does not start.
    pub async fn start(
        input: &'a Input,
        tools: &'a Tools,
        record: Shared,
        reporter: Reporter,
        desk: Desk,
    ) -> Result<Self, End> {
        let mut progress = Progress::new(reporter.clone());
        progress.step(progress::Step::Initializing).await;
        let address = Url::parse(&input.target_url)
            .map_err(|error| Outcome::last("validation_error", format!("target_url: {error}")))?;
        match net::check_with(&address, tools.reach, &tools.browser.outside).await {
            Ok(_) => {}
            Err(net::Refused::NoHost) => {
                return Err(Outcome::retryable("network_error", "target_url: the host was not found").into());
            }
            Err(refused) => {
                return Err(Outcome::last("validation_error", format!("target_url: {refused}")).into());
            }
        }
        let starting = tools.ahead.take().map_or_else(|| Starting::begin(&tools.browser), Ok)?;
        let workspace = starting.workspace();
        let fetch = fetch_resume(input, tools, &workspace, &reporter);
        let (session, resume) = tokio::join!(starting.session(), fetch);
        let session = session?;
        session.gate().allow(Policy::of_job(&address, tools.reach, input.allowed_hosts.as_deref()));
        Ok(Self {
            input,
            tools,
            record,
            reporter,
            progress,
            profile: Profile::new(&input.user_data),
            answers: Answers::new(&input.qa_overrides),
            session,
            resume,
            pictures: 0,
            page: 0,
            permitted: false,
            entered: None,
            accounted: None,
            guard: None,
            asked: 0,
            repaired: 0,
            rows: HashMap::new(),
            unfolded: HashSet::new(),
            uploaded: false,
            manual: None,
            form: None,
            learned: Vec::new(),
            manual_held: true,
            desk,
            secret: None,
            _workspace: workspace,
        })
    }

    /// Works until the job is over.
    pub async fn drive(&mut self) -> End {
        let done = match self.input.job_type.as_str() {
            "scrape" => Box::pin(self.scrape()).await,
            "custom" => Box::pin(self.custom()).await,
            _ => Box::pin(self.pages()).await,
        };
        match done {
            Ok(outcome) | Err(End::Done(outcome)) => End::Done(self.unasked(self.name_refusals(outcome))),
            Err(end) => end,
        }
    }

    /// Puts down what was learned, takes the last picture and closes the browser.
    pub async fn finish(self, end: &End) {
        let mut agent = self;
        agent.tell_manual(end).await;
        if !matches!(end, End::Lost(BrowserError::Gone(_))) {
            let done = matches!(end, End::Done(outcome) if outcome.code.is_none());
            agent.picture(if done { "final" } else { "failure" }).await;
            if !done {
                agent.keep_snapshot().await;
            }
        }
        if matches!(end, End::Done(outcome) if outcome.code.is_none()) {
            agent.progress.step(progress::Step::Completed).await;
        }
        agent.session.close().await;
    }

    async fn pages(&mut self) -> Result<Outcome, End> {
        self.progress.step(progress::Step::Navigating).await;
        self.open(&self.input.target_url.clone()).await?;
        self.progress.step(progress::Step::AnalyzingPage).await;
        let mut form = self.read().await?;
        self.dismiss_notices(&mut form).await?;
        self.picture("page-ready").await;
        form = self.enter(form).await?;
        self.find_manual(&form).await;
        let mut seen = HashSet::new();
        loop {
            if self.page >= PAGES {
                return Err(Outcome::last(
                    "action_limit_exceeded",
                    format!("The form has more than {PAGES} pages"),
                )
                .into());
            }
            (self.page, self.asked) = (self.page + 1, 0);
            self.unfolded.clear();
            self.record.get().pages = self.page;
            if !seen.insert(form.signature()) {
                return Err(stuck(&form).into());
            }
            form = self.fill_page(form).await?;
            match self.advance(form).await? {
                advance::Next::Page(next) => form = *next,
                advance::Next::End(outcome) => return Ok(outcome),
            }
        }
    }

    /// Loads an address; one that our own proxy refused is the job's fault, not the network's.
    async fn open(&mut self, url: &str) -> Result<(), End> {
        let loaded = self.session.goto(url, LOAD).await;
        if let Err(BrowserError::Navigation(_)) = &loaded {
            self.stop_at_refusal(url)?;
            self.stop_at_refusal(&self.session.unreachable().await?)?; // where it was led to
        }
        Ok(loaded?)
    }

    /// Ends the job when the page is one that our proxy did not let through.
    fn stop_at_refusal(&self, url: &str) -> Result<(), End> {
        use net::Refused::{NoHost, Unreachable};
        let refusal = Url::parse(url).ok().and_then(|url| self.session.gate().refusal(&url));
        match refusal {
            None => Ok(()),
            Some(why @ (NoHost | Unreachable)) => Err(BrowserError::Navigation(why.to_string()).into()),
            Some(why) => {
                Err(Outcome::last("address_refused", format!("The page was not opened: {why}")).into())
            }
        }
    }

    /// Stops at pages that are none of a site's: what our proxy refused, what the browser shows itself, what a page made up.
    async fn stop_at_strange_pages(&self, url: &str, status: Option<u16>) -> Result<(), End> {
        // What our proxy answers in a site's place.
        if matches!(status, Some(403 | 502)) {
            self.stop_at_refusal(url)?;
        }
        if url.starts_with("http:") || url.starts_with("https:") {
            return Ok(());
        }
        let scheme = url.split(':').next().unwrap_or_default();
        if scheme == "chrome-error" {
            self.stop_at_refusal(&self.session.unreachable().await?)?;
            return Err(BrowserError::Navigation("the browser shows an error".into()).into());
        }
        Err(Outcome::last("address_refused", format!("The site led to a `{scheme}:` page")).into())
    }

    /// Reads the page, whatever stands on it.
    async fn read_any(&mut self) -> Result<(Form, Option<u16>), End> {
        let form = if self.input.job_type == "custom" {
            Form::read_whole(&self.session).await?
        } else {
            Form::read(&self.session).await?
        };
        self.record.get().url.clone_from(&form.page.url);
        let frame = self.session.main_world().await?.frame;
        let status = self.session.network().document_status(frame.inner());
        self.stop_at_strange_pages(&form.page.url, status).await?;
        Ok((form, status))
    }

    /// Reads the page and stops at what stands in the way.
    async fn read(&mut self) -> Result<Form, End> {
        let (form, status) = self.read_any().await?;
        if let Some(blocker) = blockers::find(&form, status) {
            return Box::pin(self.ask_for_help(blocker, form)).await;
        }
        Ok(form)
    }

    /// Says what stands in the way.
    async fn blocked(&self, blocker: Blocker, form: &Form) -> Outcome {
        let metadata = json!({
            "blocker_type": blocker, "confidence": 1, "source": "rendered page", "selector": null,
            "details": form.page.heading, "page_url": form.page.url,
        });
        self.reporter.event("blocker_detected", blocker.verdict().1, metadata).await;
        Outcome::blocked(blocker)
    }

    /// Stores the page's HTML beside the picture of a failure.
    async fn keep_snapshot(&mut self) {
        let html = match self.session.snapshot().await {
            Ok(html) => html,
            Err(error) => return tracing::warn!(%error, "no snapshot"),
        };
        let name = format!("step-{:03}-failure.html", self.pictures);
        match self.tools.artifacts.store(&self.input.job_id, &name, html.as_bytes()).await {
            Ok(place) => self.record.get().snapshot = place,
            Err(error) => tracing::warn!(%error, "the snapshot was not stored"),
        }
    }

    /// Stores a picture of the page; one that cannot be taken or stored stops nothing.
    async fn picture(&mut self, name: &str) {
        self.pictures += 1;
        let name = format!("step-{:03}-{name}.png", self.pictures);
        let png = match self.session.screenshot().await {
            Ok(png) => png,
            Err(error) => return tracing::warn!(%error, "no screenshot"),
        };
        match self.tools.artifacts.store(&self.input.job_id, &name, &png).await {
            Ok(Some(place)) => self.record.get().screenshots.push(place),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the screenshot was not stored"),
        }
    }
}

async fn fetch_resume(
    input: &Input,
    tools: &Tools,
    workspace: &Workspace,
    reporter: &Reporter,
) -> Option<PathBuf> {
    let source = input.resume.as_ref()?;
    let placed = match source.fetch(&tools.resumes).await {
        Ok(resume) => workspace.place(&resume.name, &resume.content).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match placed {
        Ok(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            reporter.event("resume_downloaded", "The resume was fetched", json!({"file_path": name})).await;
            Some(path)
        }
        // Not fatal by the contract: a form that demands it names it as an open question.
        Err(error) => {
            reporter
                .event("resume_download_failed", "The resume could not be fetched", json!({"error": error}))
                .await;
            None
        }
    }
}

/// The same page twice: says which fields it is stuck on.
fn stuck(form: &Form) -> Outcome {
    let faults: Vec<String> = form
        .fields
        .iter()
        .filter(|field| !field.error.is_empty())
        .map(|field| format!("{}: {}", field.question, field.error))
        .collect();
    let faults = if faults.is_empty() { form.errors.clone() } else { faults };
    Outcome::last("validation_error", format!("The form did not go on: {}", faults.join("; ")))
}
