//! Which addresses a caller may name, as rules of garde; what is public is said in `domain::net`.
//!
//! This is the first of two checks. It sees the text; whoever connects checks again what the name resolves to.

use domain::net::{Reach, Unfit, web_address};
use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, SchemaFormat, SchemaType, Type};

/// The longest address taken.
const MAX_LENGTH: usize = 2048;
/// The longest address of a profile.
const MAX_LINK: usize = 500;

/// Says why `text` may not be visited, if so.
pub fn check(text: &str, reach: Reach) -> Result<(), &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("length is greater than 2048");
    }
    match web_address(text, reach) {
        Ok(_) => Ok(()),
        Err(Unfit::NotWeb) => Err("must be an http or https URL"),
        Err(Unfit::NotPublic) => Err("must not be an address of a private network"),
    }
}

/// The same as a rule of garde, for an optional field.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
pub fn valid(text: &Option<String>, reach: &Reach) -> garde::Result {
    text.as_deref().map_or(Ok(()), |text| check(text, *reach).map_err(garde::Error::new))
}

/// The same, for a client that sends an empty text for none.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
pub fn valid_or_empty(text: &Option<String>, reach: &Reach) -> garde::Result {
    if text.as_deref() == Some("") { Ok(()) } else { valid(text, reach) }
}

/// A rule of garde: an address of at most 500 characters, wherever it leads, or the empty text a form sends for a field left blank.
/// Nobody visits it.
#[expect(clippy::ref_option, reason = "the signature is garde's")]
pub fn profile_link<C>(text: &Option<String>, _: &C) -> garde::Result {
    match text.as_deref() {
        None | Some("") => Ok(()),
        Some(text) if text.chars().count() > MAX_LINK => Err(garde::Error::new("length is greater than 500")),
        Some(text) => check(text, Reach::Anything).map_err(garde::Error::new),
    }
}

/// What [`check`] takes, as it is described.
pub fn described() -> Object {
    address(Type::String.into(), MAX_LENGTH)
}

/// What [`valid`] takes.
pub fn described_or_null() -> Object {
    address([Type::String, Type::Null].into_iter().collect(), MAX_LENGTH)
}

/// What [`valid_or_empty`] takes.
pub fn described_or_empty() -> AnyOfBuilder {
    or_empty(MAX_LENGTH)
}

/// What [`profile_link`] takes.
pub fn described_link() -> AnyOfBuilder {
    or_empty(MAX_LINK)
}

fn address(kind: SchemaType, longest: usize) -> Object {
    let format = SchemaFormat::Custom("uri".to_owned());
    let object = ObjectBuilder::new().schema_type(kind).format(Some(format)).pattern(Some("^https?://"));
    object.max_length(Some(longest)).build()
}

fn or_empty(longest: usize) -> AnyOfBuilder {
    let nothing =
        ObjectBuilder::new().schema_type([Type::String, Type::Null].into_iter().collect::<SchemaType>());
    AnyOfBuilder::new().item(address(Type::String.into(), longest)).item(nothing.max_length(Some(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_a_private_network_is_taken() {
        let [taken, private, other] = ["https://a.example/", "http://[::ffff:10.0.0.1]/", "ftp://a.example/"]
            .map(|text| check(text, Reach::Public));
        assert_eq!(taken, Ok(()));
        assert_eq!(private, Err("must not be an address of a private network"));
        assert_eq!(other, Err("must be an http or https URL"));
        assert_eq!(check("http://127.0.0.1/", Reach::Anything), Ok(()));
        assert!(check(&format!("https://a.example/{}", "x".repeat(2048)), Reach::Public).is_err());
    }
}
