//! Reading a query string, one parameter at a time, so that every fault has its field.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::id::UserId;
use domain::job::JobStatus;
use store::jobs::{Sort, SortBy};

use crate::error::ApiError;
use crate::fields::FieldError;

/// The parameters of a request. A parameter given twice counts once, the last time; an empty one is absent.
#[derive(Debug, Default)]
pub struct Query {
    given: HashMap<String, String>,
    faults: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn of(text: &str) -> Self {
        let given =
            url::form_urlencoded::parse(text.as_bytes()).into_owned().filter(|(_, value)| !value.is_empty());
        Self { given: given.collect(), faults: Vec::new() }
    }

    /// The parameter as it came.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.given.remove(name)?;
        if text.contains('\0') {
            self.fault(name, "must not contain a null character", "invalid_string");
            return None;
        }
        Some(text)
    }

    /// A number from `min` to `max`, or `default`.
    pub fn number(&mut self, name: &str, min: i64, max: i64, default: i64) -> i64 {
        let Some(text) = self.text(name) else { return default };
        match text.parse() {
            Ok(number) if number < min => self.fault(name, &format!("lower than {min}"), "too_small"),
            Ok(number) if number > max => self.fault(name, &format!("greater than {max}"), "too_big"),
            Ok(number) => return number,
            Err(_) => self.fault(name, "must be a whole number", "invalid_type"),
        }
        default
    }

    /// A user's id.
    pub fn user(&mut self, name: &str) -> Option<UserId> {
        let text = self.text(name)?;
        let user = UserId::from_str(&text).ok();
        if user.is_none() {
            self.fault(name, "must be a UUID", "invalid_string");
        }
        user
    }

    /// Statuses, separated by commas.
    pub fn statuses(&mut self, name: &str) -> Vec<JobStatus> {
        let text = self.text(name).unwrap_or_default();
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let (known, unknown): (Vec<_>, Vec<_>) = words.map(JobStatus::from_str).partition(Result::is_ok);
        for fault in unknown.into_iter().filter_map(Result::err) {
            self.fault(name, &fault.to_string(), "invalid_enum_value");
        }
        known.into_iter().filter_map(Result::ok).collect()
    }

    /// An order: `created_at:desc` or `-created_at`, from a closed list of columns.
    pub fn sort(&mut self, name: &str) -> Sort {
        let Some(text) = self.text(name) else { return Sort::default() };
        let (column, descending) = match (text.split_once(':'), text.strip_prefix('-')) {
            (Some((column, "asc")), _) => (column, false),
            (Some((column, "desc")), _) | (None, Some(column)) => (column, true),
            _ => (text.as_str(), false),
        };
        if let Some(by) = SortBy::ALL.into_iter().find(|by| by.as_str() == column) {
            return Sort { by, descending };
        }
        let columns = SortBy::ALL.map(SortBy::as_str).join(", ");
        let message = format!("must be one of {columns}, as `column:asc`, `column:desc` or `-column`");
        self.fault(name, &message, "invalid_enum_value");
        Sort::default()
    }

    /// One of these words.
    pub fn one_of(&mut self, name: &str, words: &[&str]) -> Option<String> {
        let text = self.text(name)?;
        if words.contains(&text.as_str()) {
            return Some(text);
        }
        self.fault(name, &format!("must be one of {}", words.join(", ")), "invalid_enum_value");
        None
    }

    /// Refuses the request when any parameter read so far was at fault.
    pub fn check(self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::invalid(&self.faults)) }
    }

    fn fault(&mut self, field: &str, message: &str, code: &'static str) {
        self.faults.push(FieldError::new(field, message, code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sort_syntaxes_mean_the_same() {
        for (text, by, descending) in [
            ("created_at:desc", SortBy::CreatedAt, true),
            ("-created_at", SortBy::CreatedAt, true),
            ("priority", SortBy::Priority, false),
            ("priority:asc", SortBy::Priority, false),
        ] {
            assert_eq!(Query::of(&format!("sort={text}")).sort("sort"), Sort { by, descending }, "{text}");
        }
    }

    #[test]
    fn a_sort_that_is_not_on_the_list_is_refused() {
        for text in
            ["(SELECT 1 FROM pg_sleep(1.5)):desc", "created_at:desc;drop table x", "user_id", "--created_at"]
        {
            let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let mut query = Query::of(&format!("sort={text}"));
            query.sort("sort");
            assert!(query.check().is_err(), "{text}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut query = Query::of("limit=0&offset=-1&status=done,failed&user_id=me");
        query.number("limit", 1, 100, 20);
        query.number("offset", 0, 100, 0);
        query.user("user_id");
        assert_eq!(query.statuses("status"), [JobStatus::Failed]);
        let fields: Vec<_> = query.faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["limit", "offset", "user_id", "status"]);
    }
}
