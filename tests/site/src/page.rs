//! The frame every page shares.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

/// Puts `body` into a whole page; `brand` picks its colours.
pub(crate) fn page(brand: &str, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{}</style>\n</head>\n<body class=\"{brand}\">\n{body}\n</body>\n</html>\n",
        escape(title),
        include_str!("../assets/site.css"),
    );
    let mut response = Html(html).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes `text` harmless inside HTML text and quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
