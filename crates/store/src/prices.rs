//! Dated prices: `infra/prices.toml` and the models' of `infra/models.toml`, written to `gh_prices`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use sqlx::{Connection, PgConnection};

use crate::{Error, Result};

const PRICES: &str = include_str!("../../../infra/prices.toml");
const MODELS: &str = include_str!("../../../infra/models.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    price: Vec<Entry>,
}

/// Either `skus` of all regions, or one `sku` by region.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    valid_from: toml::value::Datetime,
    unit: String,
    #[serde(default)]
    skus: BTreeMap<String, Decimal>,
    sku: Option<String>,
    #[serde(default)]
    regions: BTreeMap<String, Decimal>,
}

/// One row of `gh_prices`.
#[derive(Debug, PartialEq)]
struct Price {
    provider: String,
    sku: String,
    region: String,
    unit: String,
    amount: Decimal,
    valid_from: DateTime<Utc>,
}

/// Writes the prices that are not there yet. A price that is there is never changed.
///
/// # Errors
/// When a file cannot be read, or the database cannot be reached.
pub async fn load(connection: &mut PgConnection) -> Result<()> {
    let mut transaction = connection.begin().await?;
    for price in read(PRICES)?.into_iter().chain(models(MODELS)?) {
        sqlx::query(
            "insert into gh_prices (provider, sku, region, unit, price, valid_from) values ($1, $2, $3, $4, $5, $6)
             on conflict (provider, sku, region, valid_from) do nothing",
        )
        .bind(price.provider)
        .bind(price.sku)
        .bind(price.region)
        .bind(price.unit)
        .bind(price.amount)
        .bind(price.valid_from)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn read(text: &str) -> Result<Vec<Price>> {
    let file: File =
        toml::from_str(text).map_err(|error| Error::Settings(format!("infra/prices.toml: {error}")))?;
    let mut prices = Vec::new();
    for entry in file.price {
        let valid_from =
            day(&entry.valid_from).map_err(|text| Error::Settings(format!("infra/prices.toml: {text}")))?;
        let by_sku = entry.skus.into_iter().map(|(sku, price)| (sku, "*".to_owned(), price));
        let by_region = entry
            .regions
            .into_iter()
            .map(|(region, price)| (entry.sku.clone().unwrap_or_default(), region, price));
        prices.extend(by_sku.chain(by_region).map(|(sku, region, amount)| Price {
            provider: entry.provider.clone(),
            sku,
            region,
            unit: entry.unit.clone(),
            amount,
            valid_from,
        }));
    }
    Ok(prices)
}

/// The part of `infra/models.toml` that prices need; the catalogue itself is the runner's business.
#[derive(Deserialize)]
struct Models {
    valid_from: toml::value::Datetime,
    model: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    provider: String,
    id: String,
    input_micros: i64,
    cached_micros: Option<i64>,
    output_micros: i64,
}

fn models(text: &str) -> Result<Vec<Price>> {
    let file: Models =
        toml::from_str(text).map_err(|error| Error::Settings(format!("infra/models.toml: {error}")))?;
    let valid_from =
        day(&file.valid_from).map_err(|text| Error::Settings(format!("infra/models.toml: {text}")))?;
    let mut prices = Vec::new();
    for model in file.model {
        let classes = [
            ("input", Some(model.input_micros)),
            ("cached", model.cached_micros),
            ("output", Some(model.output_micros)),
        ];
        prices.extend(classes.into_iter().filter_map(|(class, micros)| {
            Some(Price {
                provider: model.provider.clone(),
                sku: format!("{}:{class}", model.id),
                region: "*".into(),
                unit: "million tokens".into(),
                amount: Decimal::new(micros?, 6),
                valid_from,
            })
        }));
    }
    Ok(prices)
}

fn day(value: &toml::value::Datetime) -> std::result::Result<DateTime<Utc>, String> {
    let date = value.date.ok_or("valid_from is not a date")?;
    NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
        .map(|day| day.and_time(NaiveTime::MIN).and_utc())
        .ok_or_else(|| format!("valid_from {value} is not a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_prices_can_be_read_and_name_every_part_of_a_guest() {
        let prices = read(PRICES).expect("infra/prices.toml is well-formed");
        for sku in ["vcpu.shared", "vcpu.performance", "memory.gb", "markup"] {
            assert!(prices.iter().any(|price| price.sku == sku), "{sku}");
        }
        assert!(!models(MODELS).expect("infra/models.toml is well-formed").is_empty());
    }
}
