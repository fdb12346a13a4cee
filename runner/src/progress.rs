//! Where a job is, in the contract's words and numbers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::note::{Note, Reporter};

/// At most one message in this time, the last of a step excepted.
const EVERY: Duration = Duration::from_secs(2);

/// The contract's steps, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The browser starts.
    Initializing = 1,
    /// The address loads.
    Navigating,
    /// The form is read.
    AnalyzingPage,
    /// Fields are filled.
    FillingForm,
    /// The résumé goes up.
    UploadingResume,
    /// A model answers what rules could not.
    AnsweringQuestions,
    /// The page is checked before it goes on.
    Reviewing,
    /// The application is sent.
    Submitting,
    /// The confirmation is looked for.
    ExtractingResults,
    /// Done.
    Completed,
}

impl Step {
    const fn word(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Navigating => "navigating",
            Self::AnalyzingPage => "analyzing_page",
            Self::FillingForm => "filling_form",
            Self::UploadingResume => "uploading_resume",
            Self::AnsweringQuestions => "answering_questions",
            Self::Reviewing => "reviewing",
            Self::Submitting => "submitting",
            Self::ExtractingResults => "extracting_results",
            Self::Completed => "completed",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Initializing => "Starting the browser",
            Self::Navigating => "Opening the page",
            Self::AnalyzingPage => "Reading the form",
            Self::FillingForm => "Filling in the form",
            Self::UploadingResume => "Uploading the resume",
            Self::AnsweringQuestions => "Answering the questions",
            Self::Reviewing => "Checking the answers",
            Self::Submitting => "Submitting the application",
            Self::ExtractingResults => "Waiting for the confirmation",
            Self::Completed => "Done",
        }
    }
}

/// Counts what was done and says so from time to time.
#[derive(Debug)]
pub struct Progress {
    reporter: Reporter,
    started: Instant,
    said: Option<Instant>,
    step: Step,
    actions: u32,
    estimate: u32,
}

impl Progress {
    /// Starts counting.
    pub fn new(reporter: Reporter) -> Self {
        Self {
            reporter,
            started: Instant::now(),
            said: None,
            step: Step::Initializing,
            actions: 0,
            estimate: 20,
        }
    }

    /// Takes a better guess of how many actions the job needs.
    pub fn expect(&mut self, actions: u32) {
        self.estimate = self.estimate.max(self.actions + actions).max(1);
    }

    /// Moves to a step; never backwards.
    pub async fn step(&mut self, step: Step) {
        let moved = step > self.step;
        self.step = self.step.max(step);
        self.say(None, moved).await;
    }

    /// Counts actions done on `what`.
    pub async fn did(&mut self, actions: u32, what: &str) {
        self.actions += actions;
        self.say(Some(what), false).await;
    }

    /// How many actions were done.
    pub fn actions(&self) -> u32 {
        self.actions
    }

    async fn say(&mut self, what: Option<&str>, now: bool) {
        if !now && self.said.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        self.reporter.send(Note::Progress(self.object(what))).await;
    }

    fn object(&self, what: Option<&str>) -> Value {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left = u64::from(self.estimate.saturating_sub(self.actions));
        let eta = (self.actions >= 2).then(|| elapsed / u64::from(self.actions) * left);
        let status = match what {
            Some(what) => format!("{}: {what}", self.step.sentence()),
            None => self.step.sentence().to_owned(),
        };
        json!({
            "step": self.step.word(),
            "progress_pct": percent(self.step, self.actions, self.estimate),
            "description": self.step.sentence(),
            "action_index": self.actions,
            "total_actions_estimate": self.estimate,
            "current_action": what,
            "elapsed_ms": elapsed,
            "eta_ms": eta,
            "status_message": status,
        })
    }
}

/// The contract's formula: 60 % by step of eleven, 40 % by actions, 100 only when done.
fn percent(step: Step, actions: u32, estimate: u32) -> u32 {
    if step == Step::Completed {
        return 100;
    }
    let by_step = 600 * step as u32 / 11;
    let by_actions = 4 * (100 * actions / estimate.max(1)).min(100);
    ((by_step + by_actions + 5) / 10).min(99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_follows_the_contract() {
        assert_eq!(percent(Step::Initializing, 0, 50), 5);
        assert_eq!(percent(Step::Navigating, 0, 50), 11);
        assert_eq!(percent(Step::ExtractingResults, 50, 50), 89);
        assert_eq!(percent(Step::Completed, 0, 50), 100);
    }
}
