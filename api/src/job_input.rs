//! The body of `POST /jobs`, and of each item of a batch: what it may say, and the job it becomes.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::id::{JobId, UserId};
use domain::net::Reach;
use garde::Validate;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use store::jobs::NewJob;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use uuid::Uuid;

use crate::caller::Caller;
use crate::extract;
use crate::fields::FieldError;
use crate::visited::{self, Bounds};
use crate::web_url;
use crate::words::{affinity, execution_mode, platform, tier};

/// A job as a client asks for it.
///
/// A key nobody knows is refused: it would be a typo that is silently lost. Below `input_data` and `metadata` every key is kept.
/// `null` is the same as absent everywhere, because VALET's client sends it for what its caller left out.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[garde(context(Reach))]
pub struct JobInput {
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<UserId>,
    #[serde(alias = "type")]
    #[garde(required, length(chars, min = 1, max = 50))]
    #[schema(min_length = 1, max_length = 50, required = true, nullable = false)]
    job_type: Option<String>,
    #[garde(required, custom(web_url::valid))]
    #[schema(schema_with = web_url::described, required = true)]
    target_url: Option<String>,
    #[garde(required, length(chars, min = 1, max = 1000))]
    #[schema(min_length = 1, max_length = 1000, required = true, nullable = false)]
    task_description: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<KnownInput>)]
    input_data: Option<Box<RawValue>>,
    #[garde(inner(range(min = 1, max = 10)))]
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<i32>,
    #[garde(skip)]
    scheduled_at: Option<DateTime<Utc>>,
    #[garde(inner(range(min = 0, max = 10)))]
    #[schema(minimum = 0, maximum = 10)]
    max_retries: Option<i32>,
    #[garde(inner(range(min = 30, max = 1800)))]
    #[schema(minimum = 30, maximum = 1800)]
    timeout_seconds: Option<i32>,
    #[garde(inner(length(max = 20), inner(inner(length(chars, max = 50)))))]
    #[schema(schema_with = described_tags)]
    tags: Option<Vec<Option<String>>>,
    #[garde(inner(length(chars, min = 1, max = 255)))]
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    target_worker_id: Option<String>,
    #[garde(custom(affinity::rule()))]
    #[schema(schema_with = affinity::described)]
    worker_affinity: Option<String>,
    #[garde(custom(execution_mode::rule()))]
    #[schema(schema_with = execution_mode::described)]
    execution_mode: Option<String>,
    #[garde(custom(web_url::valid))]
    #[schema(schema_with = web_url::described_or_null)]
    callback_url: Option<String>,
    #[garde(inner(length(chars, max = 255)))]
    #[schema(max_length = 255)]
    valet_task_id: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<ResumeRef>)]
    resume_ref: Option<Box<RawValue>>,
}

/// What a batch says for all its items; an item's own word wins.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    #[garde(inner(range(min = 1, max = 10)))]
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<i32>,
    #[garde(inner(range(min = 0, max = 10)))]
    #[schema(minimum = 0, maximum = 10)]
    max_retries: Option<i32>,
    #[garde(inner(range(min = 30, max = 1800)))]
    #[schema(minimum = 30, maximum = 1800)]
    timeout_seconds: Option<i32>,
    #[garde(inner(length(max = 20), inner(inner(length(chars, max = 50)))))]
    #[schema(schema_with = described_tags)]
    tags: Option<Vec<Option<String>>>,
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// The part of `input_data` that has rules.
#[derive(Debug, Deserialize, Validate, ToSchema)]
struct KnownInput {
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    resume_path: Option<String>,
    #[garde(skip)]
    #[serde(rename = "resume_id")]
    _resume_id: Option<Uuid>,
    #[garde(dive)]
    user_data: Option<UserData>,
    #[garde(custom(tier::rule()))]
    #[schema(schema_with = tier::described)]
    tier: Option<String>,
    #[garde(custom(platform::rule()))]
    #[schema(schema_with = platform::described)]
    platform: Option<String>,
    #[garde(skip)]
    #[serde(rename = "qa_overrides")]
    _qa_overrides: Option<HashMap<String, Option<String>>>,
}

/// The part of `user_data` that has rules.
#[derive(Debug, Deserialize, Validate, ToSchema)]
struct UserData {
    /// May be empty, as may be the last name: some people have one name.
    #[garde(required, length(chars, max = 100))]
    #[schema(max_length = 100, required = true, nullable = false)]
    first_name: Option<String>,
    #[garde(required, length(chars, max = 100))]
    #[schema(max_length = 100, required = true, nullable = false)]
    last_name: Option<String>,
    #[garde(required, email, length(chars, max = 200))]
    #[schema(max_length = 200, format = "email", required = true, nullable = false)]
    email: Option<String>,
    #[garde(inner(length(chars, max = 30)))]
    #[schema(max_length = 30)]
    phone: Option<String>,
    #[garde(custom(web_url::profile_link))]
    #[schema(schema_with = web_url::described_link)]
    linkedin_url: Option<String>,
}

/// Where the résumé is. What it points to is read by the runner.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(Reach))]
struct ResumeRef {
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    storage_path: Option<String>,
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    s3_key: Option<String>,
    #[garde(custom(web_url::valid))]
    #[schema(schema_with = web_url::described_or_null)]
    download_url: Option<String>,
}

impl JobInput {
    /// The job this asks for, or everything that is wrong with it. `at` is where it stands in the request.
    pub fn into_job(
        self,
        caller: Caller,
        owner: Option<UserId>,
        defaults: &Defaults,
        reach: Reach,
        at: &str,
    ) -> Result<NewJob, Vec<FieldError>> {
        let under = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        let mut faults = Vec::new();
        if let Err(report) = self.validate_with(&reach) {
            faults.extend(FieldError::from_report(at, &report));
        }
        let user_id =
            caller.owner(self.user_id.or(owner), &under("user_id")).map_err(|fault| faults.push(fault)).ok();
        check_object::<KnownInput>(self.input_data.as_deref(), &under("input_data"), &(), &mut faults);
        let bounds = Bounds::of(caller, reach);
        let input = self.input_data.as_deref();
        visited::check(input, &visited::IN_INPUT, &under("input_data"), bounds, &mut faults);
        check_object::<ResumeRef>(self.resume_ref.as_deref(), &under("resume_ref"), &reach, &mut faults);
        if let Some(reference) = self.resume_ref.as_deref() {
            visited::check_keys(reference, &under("resume_ref"), bounds, &mut faults);
        }
        let metadata =
            merge(self.metadata, defaults, &under("metadata")).map_err(|fault| faults.push(fault)).ok();
        visited::check(metadata.as_deref(), &visited::IN_METADATA, &under("metadata"), bounds, &mut faults);
        let tags = match (self.tags, &defaults.tags) {
            (Some(tags), Some(_)) if tags.is_empty() => defaults.tags.clone(),
            (None, default) => default.clone(),
            (own, _) => own,
        };
        let (Some(user_id), Some(metadata), true) = (user_id, metadata, faults.is_empty()) else {
            return Err(faults);
        };
        Ok(NewJob {
            id: JobId::new(),
            user_id,
            created_by: caller.created_by(),
            job_type: self.job_type.unwrap_or_default(),
            target_url: self.target_url.unwrap_or_default(),
            task_description: self.task_description.unwrap_or_default(),
            input_data: self.input_data.unwrap_or_else(empty_object),
            priority: self.priority.or(defaults.priority).unwrap_or(5),
            scheduled_at: self.scheduled_at,
            max_retries: self.max_retries.or(defaults.max_retries).unwrap_or(3),
            timeout_seconds: self.timeout_seconds.or(defaults.timeout_seconds).unwrap_or(300),
            // A tag its client left undefined arrives as null: doc 14 §5.6 sends `['batch', undefined]`.
            tags: tags.unwrap_or_default().into_iter().flatten().collect(),
            idempotency_key: self.idempotency_key,
            metadata,
            callback_url: self.callback_url,
            valet_task_id: self.valet_task_id,
            resume_ref: self.resume_ref,
            target_worker_id: self.target_worker_id,
            execution_mode: self.execution_mode,
            worker_affinity: self.worker_affinity,
            traceparent: None,
        })
    }
}

/// Checks that `json` is an object and that the keys `T` knows are right.
pub fn check_object<T>(json: Option<&RawValue>, at: &str, context: &T::Context, faults: &mut Vec<FieldError>)
where
    T: DeserializeOwned + Validate,
{
    let Some(json) = json else { return };
    if !json.get().starts_with('{') {
        faults.push(FieldError::new(at, "must be an object", "invalid_type"));
        return;
    }
    match extract::read::<T>(json.get().as_bytes(), at) {
        Ok(value) => {
            if let Err(report) = value.validate_with(context) {
                faults.extend(FieldError::from_report(at, &report));
            }
        }
        Err(fault) => faults.push(fault),
    }
}

/// The item's metadata over the batch's.
fn merge(own: Option<Box<RawValue>>, defaults: &Defaults, at: &str) -> Result<Box<RawValue>, FieldError> {
    let fault = || FieldError::new(at, "must be an object", "invalid_type");
    if own.as_ref().is_some_and(|json| !json.get().starts_with('{')) {
        return Err(fault());
    }
    let Some(common) = &defaults.metadata else { return Ok(own.unwrap_or_else(empty_object)) };
    let mut merged = common.clone();
    if let Some(own) = own {
        let own: serde_json::Map<_, _> = serde_json::from_str(own.get()).map_err(|_| fault())?;
        merged.extend(own);
    }
    serde_json::value::to_raw_value(&merged).map_err(|_| fault())
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("a constant that is JSON")
}

/// Labels, as they are described: a client may leave one out by null.
fn described_tags() -> Array {
    let or_null = |kind| [kind, Type::Null].into_iter().collect::<SchemaType>();
    let tag = ObjectBuilder::new().schema_type(or_null(Type::String)).max_length(Some(50));
    ArrayBuilder::new().schema_type(or_null(Type::Array)).items(tag).max_items(Some(20)).build()
}
