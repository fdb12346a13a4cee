//! One request: sent once, timed, logged with Fly's request id, and read.

use crate::{
    classify::{self, Kind, Refused},
    error::{Error, Next},
};
use reqwest::{RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// What a request is about, for messages and logs.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// As `create machine`.
    pub name: &'static str,
    pub kind: Kind,
    pub app: &'a str,
    /// Machine id, or name for a create; empty where there is none.
    pub machine: &'a str,
}

/// An answer of Fly's that is not a success.
pub struct Refusal {
    pub status: u16,
    pub text: String,
    word: Option<String>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
}

/// A success: its body and its request id.
pub struct Success {
    body: Vec<u8>,
    request_id: Option<String>,
}

/// What comes of a request that Fly has answered.
pub type Answer = Result<Success, Refusal>;

impl Call<'_> {
    /// Sends the request once. An error means that no whole answer came.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let start = Instant::now();
        let response = request.send().await.map_err(|error| self.lost(error, None, start))?;
        let (status, request_id) = (response.status().as_u16(), request_id(&response));
        let retry_after = retry_after(&response);
        let body = match response.bytes().await {
            Ok(body) => body.to_vec(),
            // Without a body a refusal still says enough by its status; a success does not.
            Err(error) if status < 300 => return Err(self.lost(error, request_id, start)),
            Err(_) => Vec::new(),
        };
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let fly_request_id = request_id.as_deref().unwrap_or("none");
        if self.kind == Kind::Read {
            tracing::debug!(
                fly.request_id = fly_request_id,
                fly.call = self.name,
                fly.app = self.app,
                machine.id = self.machine,
                http.status = status,
                duration_ms = ms,
                "Fly answered"
            );
        } else {
            tracing::info!(
                fly.request_id = fly_request_id,
                fly.call = self.name,
                fly.app = self.app,
                machine.id = self.machine,
                http.status = status,
                duration_ms = ms,
                "Fly answered"
            );
        }
        if (200..300).contains(&status) {
            return Ok(Ok(Success { body, request_id }));
        }
        let (text, word) = classify::text_of(&body);
        Ok(Err(Refusal { status, text, word, retry_after, request_id }))
    }

    /// Sends the request and takes every refusal for a failure.
    pub async fn expect(&self, request: RequestBuilder) -> Result<Success, Error> {
        self.send(request).await?.map_err(|refusal| self.fail(refusal))
    }

    /// The failure that a refusal is.
    pub fn fail(&self, refusal: Refusal) -> Error {
        let Refusal { status, text, word, retry_after, request_id } = refusal;
        let refused = Refused { status, text: &text, word: word.as_deref(), retry_after };
        let next = classify::refused(self.kind, &refused);
        Error { next, call: self.name, status: Some(status), request_id, message: text, source: None }
    }

    /// Reads the body of a success.
    pub fn read<T: DeserializeOwned>(&self, success: Success) -> Result<T, Error> {
        serde_json::from_slice(&success.body).map_err(|error| Error {
            next: classify::unreadable(self.kind),
            call: self.name,
            status: Some(200),
            request_id: success.request_id,
            message: format!("the answer cannot be read: {error}"),
            source: None,
        })
    }

    fn lost(&self, error: reqwest::Error, request_id: Option<String>, start: Instant) -> Error {
        let next = classify::lost(self.kind, &error);
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            fly.request_id = request_id.as_deref().unwrap_or("none"), fly.call = self.name, fly.app = self.app,
            machine.id = self.machine, duration_ms = ms, error = %error, "Fly did not answer"
        );
        let message = match (&next, error.is_timeout()) {
            (_, true) => "no answer in time",
            (Next::BackOff { .. }, false) if error.is_connect() => "no connection",
            _ => "the connection was lost",
        };
        let status = error.status().map(|status| status.as_u16());
        Error {
            next,
            call: self.name,
            status,
            request_id,
            message: message.to_owned(),
            source: Some(error.without_url()),
        }
    }
}

fn request_id(response: &Response) -> Option<String> {
    Some(response.headers().get("fly-request-id")?.to_str().ok()?.to_owned())
}

/// The seconds of `Retry-After`. The date form is not used by APIs of this kind and is ignored.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
