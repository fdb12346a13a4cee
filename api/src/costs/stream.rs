//! A download that is written while it is read.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use store::Db;
use store::costs::{Export, Pages, Period};
use tokio::sync::Semaphore;

use super::{csv, days};
use crate::error::{ApiError, ApiResult};

/// Each download holds a connection, and the service has five.
static DOWNLOADS: Semaphore = Semaphore::const_new(2);

/// The table as a file to be kept.
pub async fn download(db: &Db, export: Export, period: Period) -> ApiResult<Response> {
    let place = DOWNLOADS.try_acquire().map_err(|_| ApiError::unavailable().retry_after(5))?;
    let pages = Pages::open(db, &export, period).await?;
    let mut header = Vec::new();
    csv::row(&mut header, pages.columns.iter().map(|column| Some(column.as_str())));
    let rows = stream::try_unfold((Some(header), pages, place), async |(header, mut pages, place)| {
        if let Some(header) = header {
            return Ok(Some((Bytes::from(header), (None, pages, place))));
        }
        let page = pages.next().await.inspect_err(|error| tracing::warn!(%error, "a download ends early"))?;
        let mut text = Vec::with_capacity(page.len() * 256);
        for row in &page {
            csv::row(&mut text, row.iter().map(Option::as_deref));
        }
        Ok::<_, store::Error>((!page.is_empty()).then(|| (Bytes::from(text), (None, pages, place))))
    });
    let kind = if matches!(export, Export::Focus) { "focus-1.2" } else { "costs" };
    let (first, last) = days(period);
    Ok((file(&format!("{kind}-{first}-{last}.csv")), Body::from_stream(rows)).into_response())
}

/// The headers of a CSV file of this name.
pub fn file(name: &str) -> [(HeaderName, HeaderValue); 3] {
    let attachment = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, attachment.unwrap_or(HeaderValue::from_static("attachment"))),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
