//! Reading JSON that leaves things out: null and nonsense become the default, so that one odd field of one machine
//! never hides the whole list.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// The value, or the default when it is null or has another shape.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// The members that have the expected shape; none when it is not a list.
pub fn members<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let list: Vec<Value> = or_default(deserializer)?;
    Ok(list.into_iter().filter_map(|member| serde_json::from_value(member).ok()).collect())
}
