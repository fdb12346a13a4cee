//! The `Authorization` header: macaroons and old OAuth tokens want different schemes.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The header for a token as people store it: with or without a scheme, with or without white space around.
pub fn header(token: &SecretString) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let token = token.expose_secret().trim();
    let bare = token.strip_prefix("FlyV1 ").or_else(|| token.strip_prefix("Bearer ")).unwrap_or(token).trim();
    let macaroon = bare.starts_with("fm1r_") || bare.starts_with("fm2_");
    let scheme = if macaroon { "FlyV1" } else { "Bearer" };
    let mut value = HeaderValue::from_str(&format!("{scheme} {bare}"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_macaroon_gets_flyv1_and_anything_else_bearer_whatever_it_came_with() {
        for (given, sent) in [
            ("fm2_abc,fm2_def", "FlyV1 fm2_abc,fm2_def"),
            ("FlyV1 fm2_abc", "FlyV1 fm2_abc"),
            ("Bearer fm1r_abc", "FlyV1 fm1r_abc"),
            (" FlyV1 fm2_abc\n", "FlyV1 fm2_abc"),
            ("oldtoken", "Bearer oldtoken"),
            ("Bearer oldtoken", "Bearer oldtoken"),
            ("FlyV1 oldtoken", "Bearer oldtoken"),
        ] {
            assert_eq!(header(&SecretString::from(given)).unwrap(), sent, "{given}");
        }
    }

    #[test]
    fn the_header_hides_itself_from_logs() {
        let header = header(&SecretString::from("fm2_secret")).unwrap();
        assert!(!format!("{header:?}").contains("secret"));
    }
}
