//! `DELETE /valet/sessions/{user}` and `/valet/sessions/{user}/{domain}`: a user logs out, everywhere or of one site.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::id::UserId;
use serde::Serialize;
use store::sessions;
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::UserPath;
use crate::openapi;

/// How many sessions are gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsDeleted {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    deleted_count: u64,
}

/// The session that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionDeleted {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    domain: String,
    deleted: bool,
}

/// Deletes every session of a user.
#[utoipa::path(
    delete,
    path = "/valet/sessions/{user}",
    tag = "sessions",
    params(
        ("user" = Uuid, Path, description = "The user"),
    ),
    responses(
        (status = 200, description = "They are gone", body = SessionsDeleted),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn delete_user_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    UserPath(user): UserPath,
) -> ApiResult<Json<SessionsDeleted>> {
    caller.require_user(user)?;
    let deleted_count = sessions::delete_all(&app.db, user).await?;
    Ok(Json(SessionsDeleted { user_id: user, deleted_count }))
}

/// Deletes the session of a user with one site.
#[utoipa::path(
    delete,
    path = "/valet/sessions/{user}/{domain}",
    tag = "sessions",
    params(
        ("user" = Uuid, Path, description = "The user"),
        ("domain" = String, Path, description = "The site"),
    ),
    responses(
        (status = 200, description = "It is gone", body = SessionDeleted),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn delete_user_session(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((user, domain)): Path<(String, String)>,
) -> ApiResult<Json<SessionDeleted>> {
    let user = user.parse().map_err(|_| ApiError::not_found(NO_SESSION))?;
    caller.require_user(user)?;
    if domain.contains('\0') || sessions::delete(&app.db, user, &domain).await?.is_none() {
        return Err(ApiError::not_found(NO_SESSION));
    }
    Ok(Json(SessionDeleted { user_id: user, domain, deleted: true }))
}

/// What is said when there is nothing to delete.
pub(super) const NO_SESSION: &str = "No session found for this user/domain";
