//! Rows of a form that repeats (work experience, education): which fact answers which question of which row.

use super::Profile;
use crate::form::{Button, Field, words};

/// A part of a form that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Jobs the candidate had.
    Work,
    /// Schools the candidate went to.
    Education,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Work, Self::Education];

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Work => &[
                "work experience",
                "work history",
                "employment",
                "experience",
                "berufserfahrung",
                "expérience",
                "experiencia",
                "esperienza",
                "werkervaring",
            ],
            Self::Education => &[
                "education",
                "schools",
                "ausbildung",
                "bildungsweg",
                "formation",
                "educación",
                "istruzione",
                "opleiding",
            ],
        }
    }

    /// What its facts begin with.
    const fn stems(self) -> &'static [&'static str] {
        match self {
            Self::Work => &["work_history", "work_experience", "experience", "employment"],
            Self::Education => &["education"],
        }
    }

    /// Whether a heading is its heading: its name, perhaps with "optional" or a number behind it.
    fn is_named(self, text: &str) -> bool {
        let text = words::plain(text);
        let text = text.strip_suffix(" optional").unwrap_or(&text);
        let text = text.trim_end_matches(|it: char| it.is_ascii_digit() || it == ' ');
        let text = text.strip_prefix("add ").unwrap_or(text);
        self.names().contains(&text)
    }

    /// How many rows of it the candidate has.
    pub fn rows(self, profile: &Profile) -> usize {
        let has = |row: usize| {
            self.stems().iter().any(|stem| {
                let stem = format!("{stem}_{row}_");
                profile.facts().any(|(key, _)| key.starts_with(&stem))
            })
        };
        (1..=10).take_while(|row| has(*row)).count()
    }

    /// The part a field belongs to.
    pub fn of(field: &Field) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.is_named(&field.group) || part.is_named(&field.section))
    }

    /// Whether a button adds a row of it.
    pub fn is_added_by(self, button: &Button) -> bool {
        const ADD: &[&str] =
            &["add", "add another", "add more", "hinzufügen", "weitere hinzufügen", "ajouter", "añadir"];
        let bare = |text: &str| words::plain(text).trim_start_matches(['+', ' ']).to_owned();
        let (text, label) = (bare(&button.text), bare(&button.label));
        let adds = |it: &str| ADD.contains(&it);
        let named = |it: &str| it.starts_with("add ") && self.is_named(it);
        named(&text) || named(&label) || ((adds(&text) || adds(&label)) && self.is_named(&button.section))
    }

    /// How its questions are called, and the ends of the keys that answer them.
    const fn questions(self) -> &'static [(&'static [&'static str], &'static [&'static str])] {
        match self {
            Self::Work => &[
                (
                    &["job title", "title", "position", "role", "berufsbezeichnung"],
                    &["title", "position", "job_title", "role"],
                ),
                (
                    &["company", "company name", "employer", "organization", "arbeitgeber", "firma"],
                    &["company", "employer", "company_name", "organization"],
                ),
                (&["location", "city", "ort"], &["location", "city"]),
                (
                    &[
                        "i currently work here",
                        "current",
                        "currently work here",
                        "current role",
                        "current job",
                        "i am currently working in this role",
                        "present",
                    ],
                    &["current", "is_current", "currently_working"],
                ),
                (&["from", "start date", "start", "date from", "von"], &["start_date", "from", "start"]),
                (&["to", "end date", "end", "date to", "bis"], &["end_date", "to", "end"]),
                (
                    &["role description", "description", "summary", "responsibilities", "beschreibung"],
                    &["description", "summary", "responsibilities"],
                ),
            ],
            Self::Education => &[
                (
                    &[
                        "school or university",
                        "school",
                        "university",
                        "institution",
                        "college",
                        "school name",
                        "hochschule",
                        "schule",
                    ],
                    &["school", "university", "institution"],
                ),
                (&["degree", "abschluss"], &["degree"]),
                (
                    &["field of study", "major", "discipline", "fachrichtung", "studienfach"],
                    &["field_of_study", "field", "major"],
                ),
                (&["gpa", "overall result gpa"], &["gpa"]),
                (
                    &["from", "start date", "start", "first year attended", "von"],
                    &["start_date", "from", "start", "start_year"],
                ),
                (
                    &["to", "end date", "end", "last year attended", "graduation date", "bis"],
                    &["end_date", "to", "end", "end_year", "graduation_date"],
                ),
            ],
        }
    }

    /// The fact that answers a question of row `row` (from 1).
    pub fn fact(self, profile: &Profile, field: &Field, row: usize) -> Option<(String, String)> {
        let asked = words::question(&field.question);
        let (_, ends) = self.questions().iter().find(|(questions, _)| questions.contains(&asked.as_str()))?;
        let keys =
            self.stems().iter().flat_map(|stem| ends.iter().map(move |end| format!("{stem}_{row}_{end}")));
        keys.into_iter().find_map(|key| profile.get(&key).map(|value| (key.clone(), value.to_owned())))
    }

    /// Whether it has this question at all.
    pub fn asks(self, field: &Field) -> bool {
        let asked = words::question(&field.question);
        self.questions().iter().any(|(questions, _)| questions.contains(&asked.as_str()))
    }
}

/// The number a row carries in its name: `Work Experience 2`.
pub fn number(group: &str) -> Option<usize> {
    let digits: String = group.trim().chars().rev().take_while(char::is_ascii_digit).collect();
    digits.chars().rev().collect::<String>().parse().ok().filter(|row| (1..=10).contains(row))
}

/// How many rows of a part stand in the form: how often its most frequent question is asked.
pub fn present(part: Part, fields: &[Field]) -> usize {
    let of_part = || fields.iter().filter(|field| Part::of(field) == Some(part) && field.part.is_empty());
    of_part()
        .filter(|field| part.asks(field))
        .map(|field| of_part().filter(|other| other.question == field.question).count())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::test_field, form::Kind};

    #[test]
    fn a_question_of_a_row_is_answered_by_that_row() {
        let profile = serde_json::json!({"work_history": [{"company": "A", "title": "X"}, {"company": "B", "end_date": "2021-02-28"}]});
        let profile = Profile::new(profile.as_object().expect("an object"));
        assert_eq!((Part::Work.rows(&profile), Part::Education.rows(&profile)), (2, 0));
        let field = Field { group: "Work Experience 2".into(), ..test_field(Kind::Text, "Company") };
        assert_eq!((Part::of(&field), number(&field.group)), (Some(Part::Work), Some(2)));
        assert_eq!(Part::Work.fact(&profile, &field, 2).map(|it| it.1), Some("B".into()));
        assert_eq!(Part::Work.fact(&profile, &test_field(Kind::Text, "Years of experience"), 1), None);
    }

    #[test]
    fn only_a_button_that_names_its_part_adds_a_row() {
        let button = |text: &str, section: &str| -> Button {
            serde_json::from_value(serde_json::json!({"node": 0, "text": text, "section": section, "submit": false, "link": false, "disabled": false, "form": null})).expect("a button")
        };
        assert!(Part::Work.is_added_by(&button("+ Add", "Experience (Optional)")));
        assert!(Part::Education.is_added_by(&button("Add education", "")));
        assert!(!Part::Work.is_added_by(&button("Add to cart", "Experience")));
        assert!(!Part::Work.is_added_by(&button("Add", "Websites")));
    }
}
