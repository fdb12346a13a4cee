//! The bodies of `/valet/apply` and `/valet/task`: what VALET's own client sends, and the jobs they become.
//!
//! Keys nobody knows are ignored here, not refused: the client is a program that may be newer than this service.
//! Empty text and zero stand for "unknown" in that client, so they count as absent.

use std::collections::HashMap;

use domain::id::{JobId, UserId};
use domain::net::Reach;
use garde::Validate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use store::jobs::NewJob;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::extract;
use crate::fields::FieldError;
use crate::job_input::check_object;
use crate::profile::{Profile, flattened};
use crate::visited::{self, Bounds, IN_INPUT, IN_METADATA};
use crate::web_url;
use crate::words::{affinity, execution_mode, platform, quality};

/// What an application is called in the job row.
const APPLY: &str = "Apply to the job at the target URL with the given profile, answers and résumé.";
/// How long a job of VALET's may take when it does not say, in seconds.
const TIMEOUT: i32 = 1800;

/// What both kinds of request say.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(Reach))]
struct Common {
    #[garde(required, length(chars, min = 1, max = 255))]
    #[schema(min_length = 1, max_length = 255, required = true, nullable = false)]
    valet_task_id: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Uuid)]
    valet_user_id: Option<UserId>,
    #[garde(required, custom(web_url::valid))]
    #[schema(schema_with = web_url::described, required = true)]
    target_url: Option<String>,
    #[garde(custom(web_url::valid))]
    #[schema(schema_with = web_url::described_or_null)]
    #[serde(default, deserialize_with = "said")]
    callback_url: Option<String>,
    #[garde(custom(quality::rule()))]
    #[schema(schema_with = quality::described)]
    #[serde(default, deserialize_with = "said")]
    quality: Option<String>,
    #[garde(inner(range(min = 1, max = 10)))]
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<i32>,
    #[garde(inner(range(min = 30, max = 3600)))]
    #[schema(minimum = 30, maximum = 3600)]
    timeout_seconds: Option<i32>,
    #[garde(inner(range(min = 0, max = 10)))]
    #[schema(minimum = 0, maximum = 10)]
    max_retries: Option<i32>,
    #[garde(inner(length(chars, max = 255)))]
    #[schema(max_length = 255)]
    #[serde(default, deserialize_with = "said")]
    idempotency_key: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    #[garde(inner(length(chars, max = 255)))]
    #[schema(max_length = 255)]
    #[serde(default, deserialize_with = "said")]
    target_worker_id: Option<String>,
    #[garde(custom(affinity::rule()))]
    #[schema(schema_with = affinity::described)]
    #[serde(default, deserialize_with = "said")]
    worker_affinity: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    #[serde(default, deserialize_with = "said")]
    model: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    #[serde(default, deserialize_with = "said")]
    image_model: Option<String>,
    #[garde(custom(execution_mode::rule()))]
    #[schema(schema_with = execution_mode::described)]
    #[serde(default, deserialize_with = "said")]
    execution_mode: Option<String>,
}

/// What only an application says.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(Reach))]
struct Application {
    #[garde(custom(platform::rule()))]
    #[schema(schema_with = platform::described)]
    #[serde(default, deserialize_with = "said")]
    platform: Option<String>,
    #[garde(dive)]
    resume: Option<Resume>,
    #[garde(required)]
    #[schema(value_type = Profile, required = true, nullable = false)]
    profile: Option<Map<String, Value>>,
    #[garde(skip)]
    qa_answers: Option<HashMap<String, Option<String>>>,
}

/// What only a task says.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(Reach))]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
struct Task {
    #[garde(required, length(chars, min = 1, max = 50))]
    #[schema(min_length = 1, max_length = 50, required = true, nullable = false)]
    job_type: Option<String>,
    #[garde(required, length(chars, min = 1, max = 1000))]
    #[schema(min_length = 1, max_length = 1000, required = true, nullable = false)]
    task_description: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    input_data: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(Reach))]
struct Resume {
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    storage_path: Option<String>,
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    s3_key: Option<String>,
    #[garde(custom(web_url::valid_or_empty))]
    #[schema(schema_with = web_url::described_or_empty)]
    download_url: Option<String>,
}

/// The body of `POST /valet/apply`, for its description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: the two parts are read one after the other")]
pub struct ValetApplication {
    #[schema(inline)]
    #[serde(flatten)]
    common: Common,
    #[schema(inline)]
    #[serde(flatten)]
    own: Application,
}

/// The body of `POST /valet/task`, for its description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: the two parts are read one after the other")]
pub struct ValetTask {
    #[schema(inline)]
    #[serde(flatten)]
    common: Common,
    #[schema(inline)]
    #[serde(flatten)]
    own: Task,
}

/// A body of VALET's, read and checked but for what it belongs to.
pub struct ValetJob {
    /// The job to write.
    pub job: NewJob,
    /// VALET's name for it, for the answer.
    pub valet_task_id: String,
}

/// Reads `POST /valet/apply`.
pub fn application(body: &RawValue, caller: Caller, reach: Reach) -> Result<ValetJob, Vec<FieldError>> {
    let (common, own) = read::<Application>(body, reach)?;
    let profile = own.profile.unwrap_or_default();
    let mut faults = Vec::new();
    check_object::<Profile>(raw(&profile).as_deref().ok(), "profile", &(), &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let resume = own.resume.and_then(Resume::reference);
    let mut input = Map::new();
    input.insert("user_data".into(), Value::Object(flattened(profile)));
    input.insert("qa_overrides".into(), json!(own.qa_answers.unwrap_or_default()));
    let tier = match common.quality.as_deref() {
        Some("quality") => "pro",
        Some("speed") => "free",
        _ => "starter",
    };
    input.insert("tier".into(), tier.into());
    input.insert("platform".into(), own.platform.unwrap_or_else(|| "other".into()).into());
    let kind = Kind { job_type: "apply".into(), task_description: APPLY.into(), input, resume };
    common.into_job(kind, caller, reach)
}

/// Reads `POST /valet/task`.
pub fn task(body: &RawValue, caller: Caller, reach: Reach) -> Result<ValetJob, Vec<FieldError>> {
    let (common, own) = read::<Task>(body, reach)?;
    let kind = Kind {
        job_type: own.job_type.unwrap_or_default(),
        task_description: own.task_description.unwrap_or_default(),
        input: own.input_data.unwrap_or_default(),
        resume: None,
    };
    common.into_job(kind, caller, reach)
}

/// Reads what both say and what one says, and names every fault of the two.
fn read<T>(body: &RawValue, reach: Reach) -> Result<(Common, T), Vec<FieldError>>
where
    T: DeserializeOwned + Validate<Context = Reach>,
{
    let json = body.get().as_bytes();
    let common: Common = extract::read(json, "").map_err(|fault| vec![fault])?;
    let own: T = extract::read(json, "").map_err(|fault| vec![fault])?;
    let reports = [common.validate_with(&reach), own.validate_with(&reach)];
    let faults: Vec<_> = reports
        .iter()
        .filter_map(|report| report.as_ref().err())
        .flat_map(|r| FieldError::from_report("", r))
        .collect();
    if faults.is_empty() { Ok((common, own)) } else { Err(faults) }
}

/// A text, or none where it is empty.
fn said<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(text)?.filter(|text: &String| !text.is_empty()))
}

/// What makes one kind of job different from the other.
struct Kind {
    job_type: String,
    task_description: String,
    input: Map<String, Value>,
    resume: Option<Value>,
}

impl Common {
    fn into_job(self, mut kind: Kind, caller: Caller, reach: Reach) -> Result<ValetJob, Vec<FieldError>> {
        let user_id = caller.owner(self.valet_user_id, "valet_user_id").map_err(|fault| vec![fault])?;
        let valet_task_id = self.valet_task_id.unwrap_or_default();
        for (name, model) in [("model", self.model), ("image_model", self.image_model)] {
            if let Some(model) = model {
                kind.input.insert(name.into(), model.into());
            }
        }
        let mut metadata = self.metadata.unwrap_or_default();
        // Not the callback's address: VALET puts the service key into it, and a job's owner may read the metadata.
        metadata.remove("callback_url");
        let json = |fault: serde_json::Error| vec![FieldError::new("", fault.to_string(), "custom")];
        let (bounds, mut faults) = (Bounds::of(caller, reach), Vec::new());
        for (said, names, at) in [(&metadata, IN_METADATA, "metadata"), (&kind.input, IN_INPUT, "input_data")]
        {
            visited::check(Some(&raw(said).map_err(json)?), &names, at, bounds, &mut faults);
        }
        let resume = kind.resume.as_ref().map(to_raw_value).transpose().map_err(json)?;
        if let Some(resume) = &resume {
            visited::check_keys(resume, "resume_ref", bounds, &mut faults);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        metadata.insert("source".into(), "valet".into());
        metadata.insert("quality_preset".into(), self.quality.unwrap_or_else(|| "balanced".into()).into());
        metadata.insert("valet_task_id".into(), valet_task_id.as_str().into());
        if let Some(resume) = &kind.resume {
            metadata.insert("resume_ref".into(), resume.clone());
        }
        let job = NewJob {
            id: JobId::new(),
            user_id,
            created_by: caller.created_by(),
            tags: vec!["valet".into(), kind.job_type.chars().take(50).collect()],
            job_type: kind.job_type,
            target_url: self.target_url.unwrap_or_default(),
            task_description: kind.task_description,
            input_data: raw(&kind.input).map_err(json)?,
            priority: self.priority.unwrap_or(5),
            scheduled_at: None,
            max_retries: self.max_retries.unwrap_or(3),
            timeout_seconds: self.timeout_seconds.unwrap_or(TIMEOUT),
            idempotency_key: self.idempotency_key,
            metadata: raw(&metadata).map_err(json)?,
            callback_url: self.callback_url,
            valet_task_id: Some(valet_task_id.clone()),
            resume_ref: resume,
            target_worker_id: self.target_worker_id,
            execution_mode: self.execution_mode,
            worker_affinity: self.worker_affinity,
            traceparent: None,
        };
        Ok(ValetJob { job, valet_task_id })
    }
}

impl Resume {
    /// What of it says anything, or nothing: VALET sends an empty path when it has no file.
    fn reference(self) -> Option<Value> {
        let parts = [
            ("storage_path", self.storage_path),
            ("s3_key", self.s3_key),
            ("download_url", self.download_url),
        ];
        let said: Map<_, _> = parts
            .into_iter()
            .filter_map(|(name, text)| {
                Some((name.to_owned(), Value::from(text.filter(|text| !text.is_empty())?)))
            })
            .collect();
        (!said.is_empty()).then_some(Value::Object(said))
    }
}

fn raw(fields: &Map<String, Value>) -> Result<Box<RawValue>, serde_json::Error> {
    to_raw_value(fields)
}
