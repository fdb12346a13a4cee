//! The OpenAPI file: what the handlers cannot say themselves, and the answers that many of them share.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

use crate::fields::FieldError;
use crate::routes::create_batch::BatchCreated;
use crate::routes::create_valet_application::ValetCreated;

/// The body of every refusal. Some carry more fields, which `details` repeats.
#[derive(Serialize, ToSchema)]
pub struct Refusal {
    /// What kind, for programs.
    error: String,
    /// Why, for people.
    message: String,
    /// What else there is to know: of a `validation_error`, every field that is wrong.
    details: Option<Value>,
}

/// The file without its paths; those come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "GhostHands",
        description = "Jobs that fill and send forms. A service shows its key in X-GH-Service-Key and acts for any user; \
                       a user shows a Supabase token and sees what is theirs: the rest does not exist for them (404)."
    ),
    components(schemas(Refusal, FieldError, BatchCreated, ValetCreated)),
    tags(
        (name = "jobs", description = "Ask for jobs, watch them, stop them"),
        (name = "valet", description = "The same in VALET's words, and what people answer to jobs that wait"),
        (name = "sessions", description = "The sites a user is logged in to"),
        (name = "account", description = "Models and spending"),
        (name = "monitoring", description = "How the service does"),
    ),
    modifiers(&Keys)
)]
pub struct ApiDoc;

/// The file as it is served and kept in `docs/openapi.json`.
pub fn text(description: &utoipa::openapi::OpenApi) -> String {
    let mut text = description.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let key = ApiKey::Header(ApiKeyValue::new("X-GH-Service-Key"));
        components.add_security_scheme("service_key", SecurityScheme::ApiKey(key));
        components.add_security_scheme("user_token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// A set of refusals that handlers name together.
macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident: $($status:literal $why:literal),+) => {
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(($status, $why)),+].into_iter().map(|(status, why)| (status.to_owned(), refusal(why))).collect()
            }
        }
    };
}

refusals! {
    /// What every path below the authentication may answer.
    Guarded:
    "401" "The key or token is missing, unknown or expired",
    "429" "The user or the address asked for too much; Retry-After says when there is room",
    "408" "The request took longer than 30 s",
    "500" "A fault of ours; the log has it under the request id",
    "503" "The database does not answer; Retry-After says when to come back"
}
refusals! {
    /// What a path that is open to everyone may answer.
    Open: "429" "The address asked for too much; Retry-After says when there is room"
}
refusals! {
    /// What a path with a body may answer.
    WithBody:
    "400" "The body is no JSON",
    "413" "The body is larger than 2 MiB",
    "422" "Fields are not valid: details lists {field, message, code}"
}
refusals! {
    /// What a path with parameters in the query may answer.
    WithQuery: "422" "Parameters are not valid: details lists {field, message, code}"
}
refusals! {
    /// What a path to one thing may answer.
    OfOne: "404" "There is none, or it is another user's"
}
refusals! {
    /// What a path that writes jobs may answer.
    Limited:
    "409" "A job holds the idempotency key; existing_job_id and existing_status name it if it is the same user's",
    "429" "The user asked for too many jobs: X-RateLimit-*, limit, reset_at and Retry-After say when there is room; or the address for too much"
}
refusals! {
    /// What a path that changes a job's status may answer.
    OfStatus: "409" "The job's status does not allow it: current_status, reason"
}
refusals! {
    /// What a path for services may answer.
    ForServices: "403" "Only a service may do this"
}

/// What a path that writes jobs answers when they are written: `T`, and in headers what their user may still ask for.
pub struct Written<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Written<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = content(&T::name());
        let mut response = ResponseBuilder::new().description("Written").content("application/json", body);
        for (name, what) in [
            ("Limit", "How many jobs the tightest window takes; absent when nothing limits the user"),
            ("Remaining", "How many more it takes now"),
            ("Reset", "When the oldest leaves it, in seconds of the epoch"),
        ] {
            let number = SchemaFormat::KnownFormat(KnownFormat::Int64);
            let schema = ObjectBuilder::new().schema_type(Type::Integer).format(Some(number));
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build();
            response = response.header(format!("X-RateLimit-{name}"), header);
        }
        [("201".to_owned(), response.build().into())].into()
    }
}

fn refusal(why: &str) -> RefOr<Response> {
    ResponseBuilder::new().description(why).content("application/json", content("Refusal")).build().into()
}

/// The body that `components` describes under this name.
fn content(name: &str) -> Content {
    ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(name)))).build()
}
