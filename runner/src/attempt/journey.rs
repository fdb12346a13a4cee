//! What a runner tells of its part of a job's way, where a collector is told (`boot::trace`): its boot, the steps, the calls of
//! models, the sending. Made from what the job says to its keeper, and only from its words and counts.

use std::time::{Duration, SystemTime};

use boot::trace::{Place, Span};
use domain::id::AttemptId;
use serde_json::Value;
use store::runner::{Assignment, Permit};

use crate::note::Usage;
use crate::outcome::Outcome;

/// An attempt's spans that are not over.
#[derive(Debug)]
pub(super) struct Journey {
    run: Span,
    step: Option<(String, Span)>,
    submit: Option<Span>,
}

impl Journey {
    /// Tells of the boot, which ends here, and begins the run. `above` is what the machine was told as `TRACEPARENT`; a machine of
    /// the pool was told nothing, and finds the same place by the ids.
    pub fn begin(above: Option<&str>, born: SystemTime, id: AttemptId, assignment: &Assignment) -> Self {
        let job = assignment.job.id;
        let place = above.and_then(Place::read).unwrap_or_else(|| {
            Place::of_job(job, assignment.job.traceparent.as_deref()).below(job).below(id.0)
        });
        Span::begin("boot", place).since(born).end();
        let mut run = Span::begin("run", place);
        run.set("gh.job_id", job.to_string());
        run.set("gh.attempt_id", id.to_string());
        run.set("gh.attempt", i64::from(assignment.attempt_no));
        run.set("gh.tier", assignment.tier.clone());
        run.set("gh.job_type", assignment.job.job_type.clone());
        Self { run, step: None, submit: None }
    }

    /// The job is at the step this progress names.
    pub fn progress(&mut self, progress: &Value) {
        let Some(step) = progress["step"].as_str() else { return };
        if self.step.as_ref().is_some_and(|(known, _)| known == step) {
            return;
        }
        self.end_step();
        self.begin_step(step.to_owned());
    }

    fn begin_step(&mut self, step: String) {
        let mut span = Span::begin("step", self.submit.as_ref().unwrap_or(&self.run).place());
        span.set("gh.step", step.clone());
        self.step = Some((step, span));
    }

    /// A model was called, and has just answered.
    pub fn called(&self, usage: &Usage) {
        let above = self.step.as_ref().map_or_else(|| self.run.place(), |(_, step)| step.place());
        let ended = SystemTime::now();
        let began = ended.checked_sub(Duration::from_millis(usage.duration_ms)).unwrap_or(ended);
        let mut span = Span::begin(format!("chat {}", usage.model), above).call().since(began);
        span.set("gen_ai.operation.name", "chat");
        span.set("gen_ai.provider.name", usage.provider.clone());
        span.set("gen_ai.request.model", usage.model.clone());
        span.set("gen_ai.usage.input_tokens", count(usage.input + usage.cached));
        span.set("gen_ai.usage.output_tokens", count(usage.output + usage.reasoning));
        span.set("gh.purpose", usage.purpose);
        span.end_at(ended);
    }

    /// The permit was answered: from here on the form may be sent.
    pub fn permitted(&mut self, permit: &Permit) {
        if *permit == Permit::Granted && self.submit.is_none() {
            self.submit = Some(Span::begin("submit", self.run.place()));
        }
    }

    /// The permit was given back: it was a step of the form, not the application.
    pub fn returned(&mut self) {
        if let Some(submit) = &mut self.submit {
            submit.rename("form step");
        }
        let step = self.step.as_ref().map(|(step, _)| step.clone());
        self.end_submit();
        // The job is at the same step still, no longer within what was pressed.
        if let Some(step) = step {
            self.begin_step(step);
        }
    }

    fn end_submit(&mut self) {
        self.end_step();
        if let Some(submit) = self.submit.take() {
            submit.end();
        }
    }

    /// The attempt is over.
    pub fn end(mut self, outcome: &Outcome) {
        self.end_submit();
        self.run.set("gh.class", outcome.class.as_str());
        if let Some(code) = outcome.code {
            self.run.fail(code);
        }
        self.run.end();
    }

    fn end_step(&mut self) {
        if let Some((_, step)) = self.step.take() {
            step.end();
        }
    }
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
