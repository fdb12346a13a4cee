//! What rules leave over goes to the model, all of a page at once, if the money is there.

use std::time::Instant;

use domain::money::MicroUsd;
use llm::{Error, Usage as Tokens};
use serde_json::{Value, json};

use super::{Agent, End};
use crate::decide::model::{Facts, Model, Trouble, is_prose, proposals};
use crate::decide::{Decision, orders, proposal, rules, sensitive};
use crate::form::{Field, Kind};
use crate::job::Mode;
use crate::note::{Note, Usage};
use crate::outcome::Outcome;
use crate::progress::Step;

/// How often a page's questions go to the model: once, and once more for what the answers revealed.
const PER_PAGE: usize = 2;

impl Agent<'_> {
    /// Asks the model for the questions without a decision.
    pub(super) async fn ask_model(&mut self, plan: &mut [(Field, Option<Decision>)]) -> Result<(), End> {
        let facts = Facts::new(&self.profile, &self.answers);
        self.ask_manual(plan, &facts);
        let Some(model) = self.tools.model.clone().filter(|_| self.input.mode != Mode::CookbookOnly) else {
            return Ok(());
        };
        let asked: Vec<usize> = (0..plan.len())
            .filter(|at| plan[*at].1.is_none() && self.is_for_model(&plan[*at].0, &facts))
            .collect();
        let (known, open): (Vec<usize>, Vec<usize>) =
            asked.into_iter().partition(|at| self.is_known_open(&plan[*at].0, &facts));
        for at in known {
            self.learn_open(&plan[at].0, &facts);
        }
        let worth = open.iter().any(|at| plan[*at].0.is_required() || !is_prose(&plan[*at].0));
        if !worth || self.asked >= PER_PAGE {
            return Ok(());
        }
        self.asked += 1;
        self.progress.step(Step::AnsweringQuestions).await;
        let fields: Vec<&Field> = open.iter().map(|at| &plan[*at].0).collect();
        let request = model.request(&fields, &facts);
        if !self.affordable(&model, &request).await {
            return Ok(());
        }
        let proposals = match self.ask(&model, &request, "map").await {
            Ok(reply) => proposals(&reply),
            Err(error) => return without_model(&error, &fields),
        };
        for at in open {
            let (field, decision) = &mut plan[at];
            let said = proposals.iter().find(|it| it.id == field.id);
            *decision = said.and_then(|said| proposal::accept(field, said, &facts));
            if decision.is_none() && !is_prose(field) {
                self.learn_open(field, &facts);
            }
        }
        Ok(())
    }

    /// Asks the model once more per page, for all answers together that the page did not take.
    pub(super) async fn ask_again(&mut self, troubles: &[Trouble]) -> Result<Vec<Option<Decision>>, End> {
        let nothing = vec![None; troubles.len()];
        let Some(model) = self.tools.model.clone().filter(|_| self.input.mode != Mode::CookbookOnly) else {
            return Ok(nothing);
        };
        let facts = Facts::new(&self.profile, &self.answers);
        let fit: Vec<Trouble> = troubles.iter().filter(|it| may_be_repaired(it, &facts)).cloned().collect();
        if fit.is_empty() || self.repaired == self.page {
            return Ok(nothing);
        }
        self.repaired = self.page;
        let request = model.repair(&fit, &facts);
        if !self.affordable(&model, &request).await {
            return Ok(nothing);
        }
        // A page that cannot be repaired ends as it would have without a model.
        let Ok(reply) = self.ask(&model, &request, "repair").await else { return Ok(nothing) };
        let proposals = proposals(&reply);
        let decide = |trouble: &Trouble| {
            let said = proposals.iter().find(|it| it.id == trouble.field.id)?;
            proposal::accept(&trouble.field, said, &facts)
        };
        Ok(troubles.iter().map(|it| if may_be_repaired(it, &facts) { decide(it) } else { None }).collect())
    }

    /// Makes a call and puts down what it cost.
    pub(super) async fn ask(
        &mut self,
        model: &Model,
        request: &llm::Request,
        purpose: &'static str,
    ) -> Result<Value, Error> {
        let began = Instant::now();
        match model.ask(request).await {
            Ok(reply) => {
                self.book(model, reply.usage, reply.request_id, began, purpose).await;
                Ok(reply.json)
            }
            Err(error) => {
                if let Some(billed) = error.billed() {
                    self.book(model, billed.usage, billed.request_id.clone(), began, purpose).await;
                }
                Err(error)
            }
        }
    }

    /// Whether a question may go to the model, and could come back answered.
    fn is_for_model(&self, field: &Field, facts: &Facts) -> bool {
        let kind = !matches!(field.kind, Kind::File | Kind::Password | Kind::Checkbox)
            && (field.value.is_empty() || !field.error.is_empty());
        // A rule knows what is asked and the profile does not say it: a model cannot know either.
        let keys = rules::candidates(field);
        let missing =
            !keys.is_empty() && keys.iter().all(|key| self.profile.get(key).is_none()) && !is_prose(field);
        let weighty = sensitive::is_sensitive(field);
        kind && !missing
            && !orders::gives_orders(field)
            && (!weighty || facts.iter().any(|(_, about, _)| sensitive::supports(about, field)))
    }

    /// Whether the dearest this call can be still fits the job's budget.
    pub(super) async fn affordable(&mut self, model: &Model, request: &llm::Request) -> bool {
        let spent: i64 = self.record.get().calls.iter().filter_map(|call| call.cost_micros).sum();
        let left = MicroUsd(self.input.budget.0 - spent);
        let worst = model.worst_case(request);
        let fits = worst.is_some_and(|worst| worst <= left);
        if !fits {
            let metadata = json!({"reason": "the call might cost more than is left", "remaining_budget": left.to_string(), "task_budget": self.input.budget.to_string()});
            self.reporter
                .event("budget_preflight_failed", "The budget does not cover a model call", metadata)
                .await;
        }
        fits
    }

    async fn book(
        &mut self,
        model: &Model,
        tokens: Tokens,
        request_id: Option<String>,
        began: Instant,
        purpose: &'static str,
    ) {
        let entry = model.entry();
        let cost = llm::price::cost(entry, tokens).map(|cost| cost.0);
        let usage = Usage {
            provider: entry.provider.clone(),
            model: entry.id.clone(),
            purpose,
            input: tokens.input,
            cached: tokens.cached,
            output: tokens.output,
            reasoning: tokens.reasoning,
            cost_micros: cost,
            request_id: request_id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.record.get().calls.push(usage.clone());
        self.reporter.send(Note::Usage(usage)).await;
    }
}

/// Whether a model may find another answer to a question: as for the first one, whatever stands in it now.
fn may_be_repaired(trouble: &Trouble, facts: &Facts) -> bool {
    let field = &trouble.field;
    !matches!(field.kind, Kind::File | Kind::Password | Kind::Checkbox)
        && !orders::gives_orders(field)
        && (!sensitive::is_sensitive(field)
            || facts.iter().any(|(_, about, _)| sensitive::supports(about, field)))
}

/// Goes on without answers, unless the provider may be back soon and a required question waits for it.
fn without_model(error: &Error, fields: &[&Field]) -> Result<(), End> {
    tracing::warn!(error = error as &dyn std::error::Error, "no answer from the model");
    let passing =
        matches!(error, Error::RateLimited(_) | Error::Provider(_) | Error::Timeout | Error::Network(_));
    if passing && fields.iter().any(|field| field.is_required()) {
        return Err(Outcome::retryable(
            "model_unavailable",
            format!("The model could not be asked: {error}"),
        )
        .into());
    }
    Ok(())
}
