//! `GET /valet/sessions/{user}`: the sites a user is logged in to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::id::UserId;
use serde::Serialize;
use store::sessions::{self, Session};
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::ApiResult;
use crate::extract::UserPath;
use crate::openapi;

/// The sessions of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserSessions {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    sessions: Vec<Session>,
    count: usize,
}

/// Lists the sessions without what is in them.
#[utoipa::path(
    get,
    path = "/valet/sessions/{user}",
    tag = "sessions",
    params(
        ("user" = Uuid, Path, description = "The user"),
    ),
    responses(
        (status = 200, description = "The sessions, without what is in them", body = UserSessions),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn list_user_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    UserPath(user): UserPath,
) -> ApiResult<Json<UserSessions>> {
    caller.require_user(user)?;
    let sessions = sessions::list(&app.db, user).await?;
    Ok(Json(UserSessions { user_id: user, count: sessions.len(), sessions }))
}
