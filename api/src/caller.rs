//! Who calls, and what that lets them touch.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::id::UserId;
use store::jobs::Scope;

use crate::error::{ApiError, ApiResult};
use crate::fields::FieldError;
use crate::token::Staff;

/// Whoever passed authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// VALET's backend or an operator: holds the service key and acts for any user.
    Service,
    /// An end user, by a Supabase token.
    User(UserId),
}

impl Caller {
    /// The jobs this caller may touch.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Service => Scope::Everyone,
            Self::User(id) => Scope::User(id),
        }
    }

    /// What the job's `created_by` says.
    pub const fn created_by(self) -> &'static str {
        match self {
            Self::Service => "valet",
            Self::User(_) => "api",
        }
    }

    /// Whose job a new one is: a user's own, whatever the body says; a service says whose, in field `at`.
    pub fn owner(self, said: Option<UserId>, at: &str) -> Result<UserId, FieldError> {
        match self {
            Self::User(id) => Ok(id),
            Self::Service => said.ok_or_else(|| FieldError::new(at, "user_id is required", "invalid_type")),
        }
    }

    /// Lets a service pass, and the user themself; to another user, that user does not exist.
    pub fn require_user(self, user: UserId) -> ApiResult<()> {
        match self {
            Self::User(id) if id != user => Err(ApiError::not_found("User not found")),
            _ => Ok(()),
        }
    }

    /// Lets only a service pass.
    pub fn require_service(self) -> ApiResult<()> {
        match self {
            Self::Service => Ok(()),
            Self::User(_) => {
                Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "Only a service may do this"))
            }
        }
    }
}

/// Whoever may read what everything costs: a service, or a user of the staff.
#[derive(Clone, Copy, Debug)]
pub struct Accountant;

impl<S: Sync> FromRequestParts<S> for Accountant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.extensions.get::<Staff>().is_none() {
            Caller::from_request_parts(parts, state).await?.require_service()?;
        }
        Ok(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Absent only on a route outside the authenticated part, which is a fault of ours.
        parts.extensions.get().copied().ok_or_else(ApiError::internal)
    }
}
