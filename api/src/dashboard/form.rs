//! The fields of a form and of an address, in the order they came.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use super::failure::Failure;

/// Fields; a name may be there several times.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.trim());
        given.find(|value| !value.is_empty() && !value.contains('\0'))
    }

    /// All of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The address with the other fields and this one; what is empty is left out.
    pub fn with(&self, path: &str, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (given, kept) in self.0.iter().filter(|(given, kept)| given != name && !kept.is_empty()) {
            query.append_pair(given, kept);
        }
        if !value.is_empty() {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

/// The fields of the address.
impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(Self::of(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// The fields of a form that was sent.
pub struct Form(pub Fields);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await;
        body.map(|body| Self(Fields::of(&body)))
            .map_err(|_| Failure::Unclear("The form could not be read.".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn an_address_keeps_its_other_fields() {
        let fields = Fields::of(b"status=failed&q=&tier=pro");
        assert_eq!(fields.with("/jobs", "tier", "free"), "/jobs?status=failed&tier=free");
        assert_eq!(fields.with("/jobs", "status", ""), "/jobs?tier=pro");
        assert_eq!((fields.get("q"), fields.get("tier")), (None, Some("pro")));
    }
}
