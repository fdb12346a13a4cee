//! What rules leave over goes to the model, all of a page at once, if the money is there.

use std::time::Instant;

use domain::money::MicroUsd;
use llm::{Error, Usage as Tokens};
use serde_json::json;

use super::{Agent, End};
use crate::decide::model::{Facts, Model, is_prose};
use crate::decide::{Decision, proposal, rules, sensitive};
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
        let open: Vec<usize> = (0..plan.len())
            .filter(|at| plan[*at].1.is_none() && self.is_for_model(&plan[*at].0, &facts))
            .collect();
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
        let began = Instant::now();
        let proposals = match model.ask(&request).await {
            Ok((proposals, reply)) => {
                self.book(&model, reply.usage, reply.request_id, began).await;
                proposals
            }
            Err(error) => {
                if let Some(billed) = error.billed() {
                    self.book(&model, billed.usage, billed.request_id.clone(), began).await;
                }
                return without_model(&error, &fields);
            }
        };
        for at in open {
            let (field, decision) = &mut plan[at];
            let said = proposals.iter().find(|it| it.id == field.id);
            *decision = said.and_then(|said| proposal::accept(field, said, &facts));
        }
        Ok(())
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
        kind && !missing && (!weighty || facts.iter().any(|(_, about, _)| sensitive::supports(about, field)))
    }

    /// Whether the dearest this call can be still fits the job's budget.
    async fn affordable(&mut self, model: &Model, request: &llm::Request) -> bool {
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

    async fn book(&mut self, model: &Model, tokens: Tokens, request_id: Option<String>, began: Instant) {
        let entry = model.entry();
        let cost = llm::price::cost(entry, tokens).map(|cost| cost.0);
        let usage = Usage {
            provider: entry.provider.clone(),
            model: entry.id.clone(),
            purpose: "map",
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
