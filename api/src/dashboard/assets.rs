//! The files the pages load: built in, named by their content's version, kept by browsers.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

/// Name, type and content.
const FILES: [(&str, &str, &[u8]); 6] = [
    ("board.css", "text/css; charset=utf-8", include_bytes!("../../assets/board.css")),
    ("board.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/board.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/htmx-2.0.11.min.js")),
    ("uplot.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/uplot-1.6.32.min.js")),
    ("uplot.css", "text/css; charset=utf-8", include_bytes!("../../assets/uplot-1.6.32.min.css")),
    ("licenses.txt", "text/plain; charset=utf-8", include_bytes!("../../assets/LICENSES.txt")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = FILES.iter().fold(Sha256::new(), |hash, (_, _, content)| hash.chain_update(content));
    BASE64.encode(&hash.finalize()[..6])
});

/// What the addresses of the files carry, so that a new file is a new address.
pub fn version() -> &'static str {
    &VERSION
}

/// A file.
pub async fn serve(Path(name): Path<String>) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers =
        [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, *content).into_response()
}
