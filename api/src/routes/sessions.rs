//! `GET` and `DELETE /sessions?user_id=…`: the same sessions, in the form VALET's client asks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::id::UserId;
use serde::Serialize;
use store::sessions::{self, Session};
use utoipa::ToSchema;

use super::delete_user_sessions::NO_SESSION;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::fields::FieldError;
use crate::openapi;
use crate::query::Query;

/// The sessions of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    sessions: Vec<Session>,
    total: usize,
}

/// What is gone: one session by its id, or how many of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DeletedSessions {
    /// One.
    One {
        /// Always true.
        deleted: bool,
        /// Which it was.
        session_id: uuid::Uuid,
    },
    /// Every one of a user.
    All {
        /// How many there were.
        deleted_count: u64,
        /// Whose they were.
        #[schema(value_type = Uuid)]
        user_id: UserId,
    },
}

/// Lists the sessions of the user named in the query; a user's own when it names none.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "sessions",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Of this user; a service must say it"),
    ),
    responses(
        (status = 200, description = "The sessions, without what is in them", body = SessionList),
        openapi::Guarded,
        openapi::OfOne,
        openapi::WithQuery,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn list_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> ApiResult<Json<SessionList>> {
    let user = whose(caller, &mut query)?;
    let sessions = sessions::list(&app.db, user).await?;
    Ok(Json(SessionList { total: sessions.len(), sessions }))
}

/// Deletes one session (`domain=`) or every one (`all=true`).
#[utoipa::path(
    delete,
    path = "/sessions",
    tag = "sessions",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Of this user; a service must say it"),
        ("domain" = Option<String>, Query, description = "With this site"),
        ("all" = Option<bool>, Query, description = "Every one, when no site is named"),
    ),
    responses(
        (status = 200, description = "They are gone", body = DeletedSessions),
        openapi::Guarded,
        openapi::OfOne,
        openapi::WithQuery,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn delete_sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> ApiResult<Json<DeletedSessions>> {
    let domain = query.text("domain");
    let all = query.text("all").is_some_and(|text| text == "true");
    let user = whose(caller, &mut query)?;
    match domain {
        Some(domain) => match sessions::delete(&app.db, user, &domain).await? {
            Some(session_id) => Ok(Json(DeletedSessions::One { deleted: true, session_id })),
            None => Err(ApiError::not_found(NO_SESSION)),
        },
        None if all => {
            let deleted_count = sessions::delete_all(&app.db, user).await?;
            Ok(Json(DeletedSessions::All { deleted_count, user_id: user }))
        }
        None => Err(ApiError::invalid(&[FieldError::new("domain", "Required, or all=true", "invalid_type")])),
    }
}

fn whose(caller: Caller, query: &mut Query) -> ApiResult<UserId> {
    let said = query.user("user_id");
    std::mem::take(query).check()?;
    match (caller, said) {
        (_, Some(user)) => caller.require_user(user).map(|()| user),
        (Caller::User(user), None) => Ok(user),
        (Caller::Service, None) => {
            Err(ApiError::invalid(&[FieldError::new("user_id", "user_id is required", "invalid_type")]))
        }
    }
}
