//! Fly's regions, and what a create call's `region` may say.

use serde_json::{Value, json};

/// Code, name and part of the world of every region (August 2026), and of older ones that price lists still name.
const REGIONS: &[(&str, &str, &str)] = &[
    ("ams", "Amsterdam, Netherlands", "eu"),
    ("arn", "Stockholm, Sweden", "eu"),
    ("bom", "Mumbai, India", "apac"),
    ("cdg", "Paris, France", "eu"),
    ("dfw", "Dallas, Texas (US)", "na"),
    ("ewr", "Secaucus, NJ (US)", "na"),
    ("fra", "Frankfurt, Germany", "eu"),
    ("gru", "Sao Paulo, Brazil", "sa"),
    ("iad", "Ashburn, Virginia (US)", "na"),
    ("jnb", "Johannesburg, South Africa", "africa"),
    ("lax", "Los Angeles, California (US)", "na"),
    ("lhr", "London, United Kingdom", "eu"),
    ("nrt", "Tokyo, Japan", "apac"),
    ("ord", "Chicago, Illinois (US)", "na"),
    ("sin", "Singapore, Singapore", "apac"),
    ("sjc", "San Jose, California (US)", "na"),
    ("syd", "Sydney, Australia", "apac"),
    ("yyz", "Toronto, Canada", "na"),
];

/// The regions a request names, in its order: codes, `eu`, `na`, `sa`, `apac`, `us`, `any`, or a comma list of those.
pub fn named(asked: Option<&str>, default: &str) -> Result<Vec<String>, String> {
    let asked = asked.filter(|text| !text.is_empty()).unwrap_or(default);
    let mut found: Vec<String> = Vec::new();
    for part in asked.split(',').map(str::trim) {
        let mut codes: Vec<&str> =
            REGIONS.iter().filter(|region| matches(part, region)).map(|region| region.0).collect();
        if codes.is_empty() && part == default {
            codes.push(part);
        }
        if codes.is_empty() {
            return Err(format!("invalid_argument: unknown region {part:?}"));
        }
        for code in codes {
            if !found.iter().any(|known| known == code) {
                found.push(code.to_owned());
            }
        }
    }
    Ok(found)
}

fn matches(part: &str, (code, name, geo): &(&str, &str, &str)) -> bool {
    part == *code || part == *geo || part == "any" || (part == "us" && name.ends_with("(US)"))
}

/// The answer to `GET /platform/regions`; the live API writes these two keys with capitals.
pub fn view(nearest: &str) -> Value {
    let row = |(code, name, geo): &(&str, &str, &str)| {
        json!({
            "code": code, "name": name, "geo_region": geo, "latitude": 0.0, "longitude": 0.0, "deprecated": false,
            "gateway_available": true, "requires_paid_plan": false,
        })
    };
    json!({ "Regions": REGIONS.iter().map(row).collect::<Vec<_>>(), "Nearest": nearest })
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_region_is_a_code_an_alias_or_a_list_in_its_order() {
        assert_eq!(named(None, "iad").unwrap(), ["iad"]);
        assert_eq!(named(Some("lhr,ams"), "iad").unwrap(), ["lhr", "ams"]);
        assert_eq!(named(Some("fra,eu"), "iad").unwrap()[0], "fra");
        assert_eq!(named(Some("us"), "iad").unwrap(), ["dfw", "ewr", "iad", "lax", "ord", "sjc"]);
        assert!(named(Some("any"), "iad").unwrap().len() > 10);
        assert!(named(Some("xyz"), "iad").is_err());
    }
}
