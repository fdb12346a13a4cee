//! The candidate of the tests, and a run of the agent for her.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::money::MicroUsd;
use runner::artifacts::Artifacts;
use runner::browser::{Ahead, BrowserConfig};
use runner::decide::model::Model;
use runner::desk::Desk;
use runner::job::{self, Input, Submit, Tools};
use runner::net::Reach;
use runner::note::Note;
use runner::outcome::Outcome;
use runner::record::{Line, Shared};
use runner::resume::{ResumeAccess, ResumeSource};
use serde_json::{Map, Value};
use store::runner::Permit;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Browsers at the same time: more than the machine has cores only makes every page slow.
static BROWSERS: Semaphore = Semaphore::const_new(2);

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages").join(name)
}

/// The browser of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests take the browser that the environment names, as the runner does"
)]
pub fn browser() -> BrowserConfig {
    BrowserConfig::from_lookup(|name| std::env::var(name).ok()).expect("a browser")
}

/// A full Chromium or Chrome of this machine, which people have more often than the headless shell.
#[expect(clippy::disallowed_methods, reason = "as above")]
pub fn full() -> BrowserConfig {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var("PATH").unwrap_or_default();
    let mut programs = names.iter().flat_map(|name| path.split(':').map(move |it| Path::new(it).join(name)));
    let program =
        programs.find(|it| it.is_file()).expect("a full Chromium: run `cargo xtask test`, which installs it");
    let program = program.display().to_string();
    let lookup = |name: &str| match name {
        "GH_CHROMIUM" => Some(program.clone()),
        name => std::env::var(name).ok(),
    };
    BrowserConfig::from_lookup(lookup).expect("a browser")
}

/// What a run is given.
pub struct Run {
    pub input: Input,
    pub tools: Tools,
    pub permit: Permit,
    pub stop: CancellationToken,
    pub desk: Desk,
    pub time: Duration,
}

/// What a run gave.
pub struct Ran {
    pub outcome: Outcome,
    pub record: Shared,
    pub permits_asked: usize,
    pub permits_returned: usize,
    pub events: Vec<&'static str>,
    /// Everything that was said, as text.
    pub said: String,
}

impl Run {
    pub fn on(url: String) -> Self {
        let profile: Map<String, Value> =
            serde_json::from_str(&std::fs::read_to_string(file("profile.json")).expect("a profile"))
                .expect("JSON");
        let answers: BTreeMap<String, String> =
            serde_json::from_str(&std::fs::read_to_string(file("answers.json")).expect("answers"))
                .expect("JSON");
        let input = Input {
            job_id: "job-1".into(),
            job_type: "apply".into(),
            task: String::new(),
            schema: None,
            target_url: url,
            user_data: profile,
            qa_overrides: answers,
            resume: Some(ResumeSource::File(file("resume.pdf"))),
            mode: runner::job::Mode::Auto,
            submit: Submit::Send,
            allowed_hosts: None,
            budget: MicroUsd(500_000),
            deadline: tokio::time::Instant::now() + Duration::from_secs(90),
        };
        let tools = Tools {
            browser: browser(),
            ahead: Ahead::default(),
            artifacts: Artifacts::Nowhere,
            resumes: ResumeAccess { any_file: true, reach: Reach::Anything, ..ResumeAccess::default() },
            reach: Reach::Anything,
            model: None,
        };
        Self {
            input,
            tools,
            permit: Permit::Granted,
            stop: CancellationToken::new(),
            desk: Desk::default(),
            time: Duration::from_secs(90),
        }
    }

    pub fn fact(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.input.user_data.insert(key.into(), value.into());
        self
    }

    pub fn answer(mut self, question: &str, answer: &str) -> Self {
        self.input.qa_overrides.insert(question.into(), answer.into());
        self
    }

    pub fn model(mut self, model: Model) -> Self {
        self.tools.model = Some(model);
        self
    }

    pub async fn go(mut self) -> Ran {
        let _turn = BROWSERS.acquire().await.expect("never closed");
        self.input.deadline = tokio::time::Instant::now() + self.time;
        let (notes, mut inbox) = mpsc::channel(16);
        let asked = Arc::new(AtomicUsize::new(0));
        let returned = Arc::new(AtomicUsize::new(0));
        let (count, back, permit) = (Arc::clone(&asked), Arc::clone(&returned), self.permit);
        let listening = tokio::spawn(async move {
            let (mut events, mut said) = (Vec::new(), String::new());
            while let Some(note) = inbox.recv().await {
                said.push_str(&format!("{note:?}\n"));
                match note {
                    Note::Permit(answer) => {
                        count.fetch_add(1, Ordering::SeqCst);
                        let copy = match &permit {
                            Permit::Granted => Permit::Granted,
                            Permit::Refused(reason) => Permit::Refused(reason.clone()),
                        };
                        let _ = answer.send(copy);
                    }
                    Note::Return(_, answer) => {
                        back.fetch_add(1, Ordering::SeqCst);
                        let _ = answer.send(true);
                    }
                    Note::Event { kind, .. } => events.push(kind),
                    Note::Progress(_) | Note::Usage(_) => {}
                }
            }
            (events, said)
        });
        let (outcome, record) = Box::pin(job::run(self.input, self.tools, self.desk, notes, self.stop)).await;
        let (events, said) = listening.await.expect("the listener");
        Ran {
            outcome,
            record,
            permits_asked: asked.load(Ordering::SeqCst),
            permits_returned: returned.load(Ordering::SeqCst),
            events,
            said,
        }
    }
}

impl Ran {
    /// The report's line about a question.
    pub fn line(&self, question: &str) -> Line {
        let record = self.record.get();
        let found = record.lines.iter().find(|line| line.question.contains(question));
        found.cloned().unwrap_or_else(|| panic!("no line about {question:?} in {:#?}", record.lines))
    }

    /// Asserts that the application provably arrived.
    pub fn arrived(&self) {
        assert!(self.outcome.submitted(), "{:?}\n{:#?}", self.outcome, self.record.get().lines);
        assert_eq!(self.permits_asked, self.permits_returned + 1, "the permit of the last step is spent");
    }
}
