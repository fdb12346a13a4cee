//! Who changed what by hand.

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::Result;

/// Writes one line, in the transaction of the change it tells of.
pub(super) async fn write(
    connection: &mut PgConnection,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &Value,
) -> Result<()> {
    sqlx::query("insert into gh_audit (actor, action, subject, detail) values ($1, $2, $3, $4)")
        .bind(actor)
        .bind(action)
        .bind(subject)
        .bind(Json(detail))
        .execute(connection)
        .await?;
    Ok(())
}
