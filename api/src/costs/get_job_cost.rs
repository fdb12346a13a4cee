//! `GET /jobs/{id}/cost`: what one job cost, line by line.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::id::JobId;
use serde::Serialize;
use store::costs::{self, Exact, Line};
use utoipa::ToSchema;

use super::parameters::{self, Format};
use super::{csv, stream};
use crate::app::App;
use crate::caller::Accountant;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;
use crate::query::Query;

/// What one job cost, in dollars, with every digit of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobCost {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    /// Its machines while they worked on it.
    machine_usd: Exact,
    /// Models.
    llm_usd: Exact,
    /// Both.
    total_usd: Exact,
    /// Machines that were made for it and never did anything: not the job's, but known.
    overhead_usd: Exact,
    /// Lines whose price is not known yet.
    unpriced: usize,
    /// Every line, in the order of use.
    lines: Vec<Line>,
}

impl JobCost {
    /// Adds the lines up.
    pub fn of(job_id: JobId, lines: Vec<Line>) -> Self {
        let sum = |kind: &str| {
            Exact(
                lines
                    .iter()
                    .filter(|line| line.kind == kind)
                    .filter_map(|line| line.cost_usd)
                    .map(|cost| cost.0)
                    .sum(),
            )
        };
        let (machine, llm) = (sum("machine"), sum("llm"));
        let is_corrected = |line: &Line| lines.iter().any(|other| other.corrects == Some(line.id));
        let open = lines
            .iter()
            .filter(|line| line.unit_price.is_none() && line.corrects.is_none() && !is_corrected(line));
        Self {
            job_id,
            machine_usd: machine,
            llm_usd: llm,
            total_usd: Exact(machine.0 + llm.0),
            overhead_usd: sum("overhead"),
            unpriced: open.count(),
            lines,
        }
    }

    /// The sums, each with its name, for people.
    pub fn sums(&self) -> [(&'static str, String); 4] {
        [
            ("Machines", self.machine_usd),
            ("Models", self.llm_usd),
            ("Together", self.total_usd),
            ("Overhead it caused", self.overhead_usd),
        ]
        .map(|(name, amount)| (name, format!("${amount}")))
    }

    /// How many lines wait for a price.
    pub const fn unpriced(&self) -> usize {
        self.unpriced
    }

    /// The lines, in the order of use.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

/// Answers with what a job cost, machine and models apart.
#[utoipa::path(
    get,
    path = "/jobs/{id}/cost",
    tag = "account",
    params(
        ("id" = Uuid, Path, description = "The job; its lines outlive it"),
        ("format" = Option<String>, Query, description = "json or csv; else Accept decides"),
    ),
    responses(
        (status = 200, description = "The sums and every line; as text/csv the lines", body = JobCost),
        openapi::Guarded,
        openapi::OfOne,
        openapi::WithQuery,
        openapi::ForServices,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_job_cost(
    State(app): State<Arc<App>>,
    _: Accountant,
    JobPath(id): JobPath,
    headers: HeaderMap,
    mut query: Query,
) -> ApiResult<Response> {
    let format = parameters::format(&mut query, &headers)?;
    query.check()?;
    let lines = costs::of_job(&app.db, id).await?.ok_or_else(|| ApiError::not_found("Job not found"))?;
    if format == Format::Json {
        return Ok(Json(JobCost::of(id, lines)).into_response());
    }
    Ok((stream::file(&format!("job-{id}.csv")), table(&lines)).into_response())
}

/// The lines as a table.
fn table(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    csv::row(
        &mut out,
        [
            "line",
            "at",
            "attempt",
            "kind",
            "provider",
            "sku",
            "region",
            "quantity",
            "unit",
            "unit_price",
            "cost_usd",
            "period_start",
            "period_end",
            "purpose",
            "overhead",
            "corrects",
            "wasted",
        ]
        .map(Some),
    );
    for line in lines {
        let number = |value: Option<Exact>| value.map(|value| value.to_string());
        let time = |value: Option<chrono::DateTime<chrono::Utc>>| value.map(|value| value.to_rfc3339());
        let fields = [
            Some(line.id.to_string()),
            Some(line.at.to_rfc3339()),
            line.attempt.map(|no| no.to_string()),
            Some(line.kind.clone()),
            Some(line.provider.clone()),
            Some(line.sku.clone()),
            line.region.clone(),
            number(Some(line.quantity)),
            Some(line.unit.clone()),
            number(line.unit_price),
            number(line.cost_usd),
            time(line.period_start),
            time(line.period_end),
            line.purpose.clone(),
            line.overhead.clone(),
            line.corrects.map(|id| id.to_string()),
            Some(line.wasted.to_string()),
        ];
        csv::row(&mut out, fields.iter().map(Option::as_deref));
    }
    out
}
