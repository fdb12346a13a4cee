//! The manual of the form: looked up once, used where rules know nothing, put down at the end.

use serde_json::json;

use super::mend::is_untaken;
use super::{Agent, End};
use crate::act::State;
use crate::decide::history::Part;
use crate::decide::model::Facts;
use crate::decide::{Decision, Source};
use crate::form::{Field, Form};
use crate::job::Mode;
use crate::manual::{self, Found, Manual, Run, Step};

impl Agent<'_> {
    /// Looks for the form's manual and says how the questions will be answered.
    pub(super) async fn find_manual(&mut self, form: &Form) {
        let found = Found::of(form, &self.input.job_type);
        self.form = Some(found.clone());
        if self.input.mode == Mode::AiOnly {
            return self.selected("magnitude", None, "ai_only".into()).await;
        }
        let manual = self.desk.find(found).await;
        match manual.filter(|manual| !manual.steps.is_empty()) {
            Some(manual) if manual.is_healthy() => {
                let metadata = json!({"manual_id": manual.id, "health_score": manual.health});
                self.reporter.event("manual_found", "A manual of this form was found", metadata).await;
                self.selected("cookbook", Some(manual.id), "manual_found_with_good_health".into()).await;
                self.manual = Some(manual);
            }
            Some(manual) => {
                let reason = format!("health_too_low: {:.2}", manual.health);
                self.selected("magnitude", Some(manual.id), reason).await;
            }
            None => self.selected("magnitude", None, "no_manual_found".into()).await,
        }
    }

    async fn selected(&self, mode: &str, manual: Option<uuid::Uuid>, reason: String) {
        let metadata = json!({"mode": mode, "manual_id": manual, "reason": reason});
        self.reporter.event("mode_selected", format!("Mode: {mode}"), metadata).await;
    }

    /// Lets the manual answer what is still open.
    pub(super) fn ask_manual(&self, plan: &mut [(Field, Option<Decision>)], facts: &Facts) {
        let Some(manual) = &self.manual else { return };
        for (field, decision) in plan.iter_mut().filter(|(_, decision)| decision.is_none()) {
            if field.value.is_empty() {
                *decision = manual.decide(&self.in_its_row(field), facts);
            }
        }
    }

    /// Remembers what answered a field, once that is verified.
    pub(super) fn learn(&mut self, field: &Field, decision: Option<&Decision>, state: State) {
        let Some(decision) = decision else { return };
        if decision.source == Source::Manual {
            self.record.get().by_manual += 1;
            self.manual_held &= state.is_settled();
        }
        if !state.is_settled() {
            return;
        }
        let manual = self.manual.as_ref();
        let its = self.in_its_row(field);
        let steps: Vec<Step> = if decision.source == Source::Manual {
            // What the manual said keeps its own salt.
            manual.map(|manual| manual.steps_about(&its).cloned().collect()).unwrap_or_default()
        } else {
            let facts = Facts::new(&self.profile, &self.answers);
            let plain = self.known(field).or_else(|| manual::of_fact(field, &decision.fact, &facts));
            let new = manual::learn(&its, decision, plain.as_ref(), &facts);
            let words = plain.as_ref().and_then(|plain| plain.answer.text());
            let others = manual.into_iter().flat_map(|manual| manual.other_formats(&its, words));
            new.into_iter().chain(others.cloned()).collect()
        };
        for step in steps {
            if !self.learned.contains(&step) {
                self.learned.push(step);
            }
        }
    }

    /// A decision with its words written as the manual knows that the page wants them, unless that was not taken here.
    pub(super) fn written(&self, field: &Field, decision: Decision) -> Decision {
        let untaken =
            self.line_of(field).is_some_and(|line| line.source == Source::Manual && is_untaken(&line));
        let manual = self.manual.as_ref().filter(|_| !untaken);
        manual.and_then(|manual| manual.write(&self.in_its_row(field), &decision)).unwrap_or(decision)
    }

    /// Remembers a question that the model could not answer, so that it is not asked about the same facts again.
    pub(super) fn learn_open(&mut self, field: &Field, facts: &Facts) {
        let field = self.in_its_row(field);
        let known = self.manual.as_ref().and_then(|manual| manual.step(&field)).filter(|step| step.is_open());
        let step = known.cloned().unwrap_or_else(|| manual::learn_open(&field, facts));
        self.learned.push(step);
    }

    /// Whether a run before this one learned that a model with these facts has no answer.
    pub(super) fn is_known_open(&self, field: &Field, facts: &Facts) -> bool {
        let field = self.in_its_row(field);
        field.error.is_empty() && self.manual.as_ref().is_some_and(|manual| manual.is_open(&field, facts))
    }

    /// The field as a manual knows it: a question that each row of a part repeats is another question in each.
    fn in_its_row(&self, field: &Field) -> Field {
        let Some(part) = Part::of(field) else { return field.clone() };
        let question = format!("{part:?} {} {}", self.row_of(field), field.question);
        Field { question, ..field.clone() }
    }

    /// Puts the run down: a new manual after a success, the health of the one that was used.
    pub(super) async fn tell_manual(&mut self, end: &End) {
        let Some(form) = self.form.take() else { return };
        let done = matches!(end, End::Done(outcome) if outcome.code.is_none());
        let used = self.manual.as_ref().filter(|_| self.record.get().by_manual > 0).map(|manual| manual.id);
        let steps = std::mem::take(&mut self.learned);
        if let (Some(id), false) = (used, self.manual_held) {
            let metadata = json!({"from_mode": "cookbook", "to_mode": "magnitude", "reason": "a step did not hold", "manual_id": id});
            self.reporter.event("mode_switched", "The manual did not hold", metadata).await;
        }
        // A run that learned more than its manual knew heals it.
        let new = |manual: &Manual, step: &Step| !step.is_open() && !manual.steps.contains(step);
        let outgrown = self.manual.as_ref().is_some_and(|manual| steps.iter().any(|step| new(manual, step)));
        let manual = if outgrown && done && self.manual_held { None } else { used };
        if !done && (manual.is_none() || self.manual_held)
            || (self.manual.is_some() && manual.is_none() && !outgrown)
        {
            return;
        }
        let run = Run { form, manual, held: self.manual_held, steps };
        if manual.is_none() {
            let metadata = json!({"steps": run.steps.len(), "url_pattern": run.form.pattern()});
            self.reporter.event("manual_created", "What was learned is kept as a manual", metadata).await;
        }
        self.desk.ran(run).await;
    }
}
