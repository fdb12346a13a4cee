//! Manuals of forms, as a runner reads and writes them.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Attempt, shape};
use crate::Result;

#[derive(Deserialize)]
struct Row {
    id: Uuid,
    health: f64,
    steps: Value,
}

impl Attempt {
    /// The manual of a form: its id, its health from 0 to 1, its steps.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn find_manual(&self, signature: &str, task: &str) -> Result<Option<(Uuid, f64, Value)>> {
        let query =
            sqlx::query_scalar("select coalesce(gh_attempt_manual_find($1, $2, $3, $4, $5), 'null'::jsonb)");
        let (signature, task) = (signature.to_owned(), task.to_owned());
        let reply = self.guarded_with(query, |query| query.bind(signature).bind(task)).await?;
        let row: Option<Row> = shape("gh_attempt_manual_find", reply)?;
        Ok(row.map(|row| (row.id, row.health, row.steps)))
    }

    /// Puts down how a run of a form went, as described at `gh_attempt_manual_record` in the migrations; `false` when
    /// the attempt is over.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn record_manual(&self, run: &Value) -> Result<bool> {
        let query = sqlx::query_scalar("select to_jsonb(gh_attempt_manual_record($1, $2, $3, $4))");
        let run = run.clone();
        Ok(self.guarded_with(query, |query| query.bind(run)).await? == Value::Bool(true))
    }
}
