//! Everything that happened so far; outlives the work, so that a job stopped half way still reports it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use crate::act::State;
use crate::decide::Source;
use crate::form::Field;
use crate::note::Usage;

/// One field in the report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name in the report: `p1.f1` is the first field that was worked on of the first page.
    pub id: String,
    /// What tells it from the page's other fields.
    #[serde(skip)]
    pub key: String,
    /// The page of the wizard, from 1.
    pub page: usize,
    /// What was asked.
    pub question: String,
    /// The heading above it.
    pub section: String,
    /// The group it stands in.
    pub group: String,
    /// The family of the control.
    pub kind: String,
    /// Whether it must be answered.
    pub required: bool,
    /// How we know.
    pub required_why: Vec<String>,
    /// The options it offered.
    pub options: Vec<String>,
    /// The value it was given.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: Source,
    /// The fact or stored question behind it.
    pub fact: String,
    /// What was read back from the page.
    pub read_back: String,
    /// What became of it.
    pub state: State,
    /// What the page said was wrong.
    pub error: String,
}

impl Line {
    /// The line of a field nothing was decided about yet.
    pub fn new(field: &Field, page: usize) -> Self {
        let state = if field.is_required() { State::NeedsHuman } else { State::SkippedOptional };
        Self {
            id: String::new(),
            key: field.key(),
            page,
            question: field.question.clone(),
            section: field.section.clone(),
            group: field.group.clone(),
            kind: field.kind.word(),
            required: field.is_required(),
            required_why: field.required.clone(),
            options: field.options.iter().filter(|it| !it.blank).map(|it| it.label.clone()).collect(),
            value: None,
            source: Source::None,
            fact: String::new(),
            read_back: field.value.clone(),
            state,
            error: field.error.clone(),
        }
    }
}

/// How far the irreversible step got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sending {
    /// Nothing was asked.
    #[default]
    NotAsked,
    /// The permit was asked for and refused.
    Refused,
    /// The permit is ours; nothing was pressed.
    Granted,
    /// The button may have been pressed.
    Pressed,
    /// The page answered without taking the application.
    NotTaken,
    /// The application arrived.
    Confirmed,
}

/// What happened so far.
#[derive(Debug)]
pub struct Record {
    /// When the job began.
    pub started: Instant,
    /// The fields, in the order they were met.
    pub lines: Vec<Line>,
    /// Where screenshots were stored.
    pub screenshots: Vec<String>,
    /// Where the page's HTML was stored, when the job failed.
    pub snapshot: Option<String>,
    /// Model calls.
    pub calls: Vec<Usage>,
    /// Things done to pages.
    pub actions: u32,
    /// How far sending got.
    pub sending: Sending,
    /// The page's address.
    pub url: String,
    /// Pages of the form that were worked on.
    pub pages: usize,
    /// Fields the form's manual answered.
    pub by_manual: usize,
    /// How long the job has waited for people, and since when it waits now.
    pub waits: (Duration, Option<Instant>),
}

/// A record that two owners share.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Record>>);

impl Default for Shared {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Record {
            started: Instant::now(),
            lines: Vec::new(),
            screenshots: Vec::new(),
            snapshot: None,
            calls: Vec::new(),
            actions: 0,
            sending: Sending::default(),
            url: String::new(),
            pages: 0,
            by_manual: 0,
            waits: (Duration::ZERO, None),
        })))
    }
}

impl Shared {
    /// The record, for a moment: never held across an await.
    pub fn get(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Puts a line in, in place of an earlier one of the same field.
    pub fn put(&mut self, line: Line) {
        let on_page = self.lines.iter().filter(|known| known.page == line.page).count();
        match self.lines.iter_mut().find(|known| (known.page, &known.key) == (line.page, &line.key)) {
            Some(known) => *known = Line { id: known.id.clone(), ..line },
            None => self.lines.push(Line { id: format!("p{}.f{}", line.page, on_page + 1), ..line }),
        }
    }

    /// How long the job has waited for people, and whether it waits now.
    pub fn waited(&self) -> (Duration, bool) {
        (self.waits.0, self.waits.1.is_some())
    }

    /// By what the questions were answered, in the contract's words.
    pub fn mode(&self) -> &'static str {
        match (self.by_manual, self.calls.len()) {
            (0, 0) => "smart_apply",
            (0, _) => "magnitude",
            (_, 0) => "cookbook",
            _ => "hybrid",
        }
    }

    /// How many fields each source answered.
    pub fn by_source(&self) -> BTreeMap<Source, usize> {
        let mut counts = BTreeMap::new();
        for line in &self.lines {
            *counts.entry(line.source).or_default() += 1;
        }
        counts
    }

    /// Counts of sources and states, without any value: safe to store beside the job.
    pub fn summary(&self) -> Value {
        let mut states: BTreeMap<State, usize> = BTreeMap::new();
        for line in &self.lines {
            *states.entry(line.state).or_default() += 1;
        }
        json!({"total": self.lines.len(), "by_source": self.by_source(), "by_state": states, "pages": self.pages})
    }
}
