//! The profile of an applicant in VALET's words: what of it has rules, and how a runner reads it.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

use crate::web_url;

/// The part of a profile that has rules; every other key of it is kept.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct Profile {
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
    #[garde(inner(length(chars, max = 50)))]
    #[schema(max_length = 50)]
    phone: Option<String>,
    #[garde(custom(web_url::profile_link))]
    #[schema(schema_with = web_url::described_link)]
    linkedin_url: Option<String>,
    #[garde(custom(web_url::profile_link))]
    #[schema(schema_with = web_url::described_link)]
    portfolio_url: Option<String>,
    #[garde(dive)]
    location: Option<Location>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    work_authorization: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    salary_expectation: Option<String>,
    #[garde(inner(range(min = 0, max = 70)))]
    #[schema(minimum = 0, maximum = 70)]
    years_of_experience: Option<i32>,
    #[garde(length(max = 10), dive)]
    #[schema(max_items = 10)]
    education: Option<Vec<Education>>,
    #[garde(length(max = 20), dive)]
    #[schema(max_items = 20)]
    work_history: Option<Vec<Work>>,
    #[garde(length(max = 100), inner(inner(length(chars, max = 100))))]
    #[schema(schema_with = described_skills)]
    skills: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
struct Location {
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    city: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    state: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    country: Option<String>,
    #[garde(inner(length(chars, max = 20)))]
    #[schema(max_length = 20)]
    zip: Option<String>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
struct Education {
    #[garde(inner(length(chars, max = 200)))]
    #[schema(max_length = 200)]
    institution: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    degree: Option<String>,
    #[garde(inner(length(chars, max = 100)))]
    #[schema(max_length = 100)]
    field: Option<String>,
    #[garde(custom(year_or_unknown))]
    #[schema(schema_with = described_year)]
    graduation_year: Option<i32>,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
struct Work {
    #[garde(inner(length(chars, max = 200)))]
    #[schema(max_length = 200)]
    company: Option<String>,
    #[garde(inner(length(chars, max = 200)))]
    #[schema(max_length = 200)]
    title: Option<String>,
    #[garde(inner(length(chars, max = 20)))]
    #[schema(max_length = 20)]
    start_date: Option<String>,
    #[garde(inner(length(chars, max = 20)))]
    #[schema(max_length = 20)]
    end_date: Option<String>,
    #[garde(inner(length(chars, max = 2000)))]
    #[schema(max_length = 2000)]
    description: Option<String>,
}

/// The profile as a runner reads it: the place beside the name, and no year that stands for "unknown".
pub fn flattened(mut profile: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(location)) = profile.remove("location") {
        profile.extend(location.into_iter().filter(|(_, value)| !value.is_null()));
    }
    if let Some(Value::Array(schools)) = profile.get_mut("education") {
        for school in schools.iter_mut().filter_map(Value::as_object_mut) {
            school.retain(|name, value| name != "graduation_year" || value != &json!(0));
        }
    }
    profile.retain(|_, value| !value.is_null());
    profile
}

/// A rule of garde: a year someone can have graduated in, or the zero VALET sends when it does not know.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
fn year_or_unknown(year: &Option<i32>, (): &()) -> garde::Result {
    match year {
        None | Some(0 | 1950..=2040) => Ok(()),
        Some(_) => Err(garde::Error::new("must be a year from 1950 to 2040")),
    }
}

/// What [`year_or_unknown`] takes, as it is described.
fn described_year() -> AnyOfBuilder {
    let number = || ObjectBuilder::new().schema_type(Type::Integer);
    AnyOfBuilder::new()
        .item(number().minimum(Some(1950)).maximum(Some(2040)))
        .item(number().enum_values(Some([0])))
        .item(ObjectBuilder::new().schema_type(Type::Null))
}

/// Skills, as they are described.
fn described_skills() -> Array {
    let skill = ObjectBuilder::new().schema_type(Type::String).max_length(Some(100));
    let kinds: SchemaType = [Type::Array, Type::Null].into_iter().collect();
    ArrayBuilder::new().schema_type(kinds).items(skill).max_items(Some(100)).build()
}
