//! The candidate as facts: one flat map from a key to a text, with a few keys derived from others.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What is known about the candidate.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    facts: BTreeMap<String, String>,
}

impl Profile {
    /// Flattens `user_data`; nulls, empty texts and secrets are left out.
    pub fn new(user_data: &Map<String, Value>) -> Self {
        let mut facts = BTreeMap::new();
        for (key, value) in user_data {
            let key = key.trim().to_lowercase().replace([' ', '-'], "_");
            if !["password", "secret", "token", "otp", "ssn"].iter().any(|word| key.contains(word)) {
                flatten(&mut facts, &key, value);
            }
        }
        let mut profile = Self { facts };
        profile.derive();
        profile
    }

    /// The fact of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }

    /// Every fact.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Adds facts that follow from others; a given fact is never replaced.
    fn derive(&mut self) {
        const SAME: &[(&str, &[&str])] = &[
            ("full_name", &["name", "legal_name"]),
            ("linkedin_url", &["linkedin"]),
            ("github_url", &["github"]),
            ("portfolio_url", &["portfolio", "website_url", "website", "personal_website"]),
            ("website", &["website_url", "portfolio_url", "portfolio", "personal_website"]),
            ("zip", &["zip_code", "postal_code", "postcode"]),
            ("address", &["street_address", "address_line_1", "street", "address1"]),
            ("state", &["province", "region"]),
            ("salary_expectation", &["salary_expectations", "desired_salary", "expected_salary"]),
            ("years_of_experience", &["years_experience", "experience_years"]),
            (
                "requires_sponsorship",
                &[
                    "visa_sponsorship",
                    "sponsorship",
                    "needs_sponsorship",
                    "sponsorship_required",
                    "require_sponsorship",
                ],
            ),
            (
                "start_date",
                &["available_from", "availability", "earliest_start_date", "available_start_date"],
            ),
            (
                "current_company",
                &["current_employer", "company", "work_history_1_company", "work_history_1_employer"],
            ),
            (
                "current_title",
                &[
                    "current_position",
                    "job_title",
                    "title",
                    "work_history_1_title",
                    "work_history_1_position",
                ],
            ),
            (
                "school",
                &["university", "education_1_school", "education_1_institution", "education_1_university"],
            ),
            ("degree", &["highest_degree", "education_1_degree"]),
            (
                "field_of_study",
                &[
                    "major",
                    "discipline",
                    "education_1_field_of_study",
                    "education_1_field",
                    "education_1_major",
                ],
            ),
            ("gpa", &["education_1_gpa"]),
            ("graduation_year", &["education_1_graduation_year", "education_1_end_year"]),
            ("referral_source", &["how_did_you_hear", "source", "hear_about_us"]),
            ("ethnicity", &["race", "race_ethnicity"]),
            ("disability_status", &["disability"]),
            ("veteran_status", &["veteran"]),
            ("preferred_name", &["preferred_first_name", "nickname"]),
            ("work_authorization", &["authorized_to_work", "work_authorized", "work_authorization_status"]),
            ("date_of_birth", &["birth_date", "birthdate", "dob", "birthday"]),
            ("willing_to_relocate", &["relocation", "relocate"]),
        ];
        for (key, others) in SAME {
            let value = others.iter().find_map(|other| self.facts.get(*other)).cloned();
            self.offer(key, value);
        }
        let (first, last) = (self.facts.get("first_name").cloned(), self.facts.get("last_name").cloned());
        if let (Some(first), Some(last)) = (&first, &last) {
            self.offer("full_name", Some(format!("{first} {last}")));
        } else if let Some((first, last)) =
            self.facts.get("full_name").cloned().as_deref().and_then(|it| it.rsplit_once(' '))
        {
            self.offer("first_name", Some(first.to_owned()));
            self.offer("last_name", Some(last.to_owned()));
        }
        let place = |parts: &[&str]| -> Option<String> {
            let parts: Option<Vec<_>> = parts.iter().map(|key| self.facts.get(*key).cloned()).collect();
            parts.map(|it| it.join(", "))
        };
        let location =
            place(&["city", "state"]).or_else(|| place(&["city", "country"])).or_else(|| place(&["city"]));
        self.offer("location", location);
        if let Some((city, _)) =
            self.facts.get("location").cloned().as_deref().and_then(|it| it.split_once(','))
        {
            self.offer("city", Some(city.trim().to_owned()));
        }
    }

    fn offer(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.facts.entry(key.to_owned()).or_insert(value);
        }
    }
}

fn flatten(facts: &mut BTreeMap<String, String>, key: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => drop(facts.insert(key.to_owned(), text.trim().to_owned())),
        Value::Bool(true) => drop(facts.insert(key.to_owned(), "Yes".into())),
        Value::Bool(false) => drop(facts.insert(key.to_owned(), "No".into())),
        Value::Number(number) => drop(facts.insert(key.to_owned(), number.to_string())),
        Value::Object(inner) => {
            for (name, value) in inner {
                flatten(facts, &format!("{key}_{}", name.to_lowercase()), value);
                if matches!(
                    key,
                    "address" | "location" | "contact" | "links" | "eeo" | "demographics" | "personal_info"
                ) {
                    flatten(facts, &name.to_lowercase(), value);
                }
            }
        }
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            if !words.is_empty() && words.len() == items.len() {
                facts.insert(key.to_owned(), words.join(", "));
            } else {
                for (at, item) in items.iter().enumerate() {
                    flatten(facts, &format!("{key}_{}", at + 1), item);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(value: &Value) -> Profile {
        Profile::new(value.as_object().expect("an object"))
    }

    #[test]
    fn names_and_places_follow_from_each_other() {
        let given = profile(
            &serde_json::json!({"first_name": "Ada", "last_name": "Lovelace", "city": "Berlin", "country": "Germany",
            "education": [{"school": "UCL", "degree": "BSc"}], "skills": ["Rust", "SQL"], "visa_sponsorship": false}),
        );
        assert_eq!(given.get("full_name"), Some("Ada Lovelace"));
        assert_eq!(given.get("location"), Some("Berlin, Germany"));
        assert_eq!(given.get("school"), Some("UCL"));
        assert_eq!(given.get("skills"), Some("Rust, SQL"));
        assert_eq!(given.get("requires_sponsorship"), Some("No"));
    }

    #[test]
    fn secrets_and_blanks_are_no_facts() {
        let given = profile(&serde_json::json!({"password": "x", "email": " ", "phone": null}));
        assert_eq!(given.facts().count(), 0);
    }
}
