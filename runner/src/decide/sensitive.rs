//! Questions whose answer has legal or personal weight: only the candidate's own facts may answer them.

use crate::form::{Field, words};

const LEGAL: &[&str] = &[
    "authorized",
    "authorised",
    "authorization",
    "authorisation",
    "eligible to work",
    "right to work",
    "entitled to work",
    "work permit",
    "sponsor",
    "visa",
    "citizen",
    "immigration",
    "criminal",
    "convicted",
    "conviction",
    "felony",
    "misdemeanor",
    "background check",
    "drug test",
    "drug screen",
    "non compete",
    "noncompete",
    "non solicit",
    "restrictive covenant",
    "security clearance",
    "clearance",
    "export control",
    "18 years",
    "over 18",
    "at least 18",
    "legal age",
    "years of age",
    "bankrupt",
    "terminated",
    "dismissed",
    "debarred",
    "sanction",
    "conflict of interest",
    "relative",
    "related to",
    "government official",
    "driver s license",
    "drivers license",
    "polygraph",
    "vaccin",
    "arbeitserlaubnis",
    "vorstrafe",
    "permis de travail",
    "permiso de trabajo",
    "permesso di lavoro",
    "werkvergunning",
];
const PERSONAL: &[&str] = &[
    "gender",
    "sex",
    "race",
    "racial",
    "ethnic",
    "hispanic",
    "latino",
    "latinx",
    "veteran",
    "disability",
    "disabled",
    "disabilities",
    "sexual orientation",
    "lgbt",
    "transgender",
    "pronoun",
    "religion",
    "religious",
    "marital",
    "pregnan",
    "nationality",
    "date of birth",
    "birth date",
    "birthday",
    "how old are you",
    "your age",
    "age range",
    "age group",
    "caste",
    "political",
    "geschlecht",
    "schwerbehind",
    "sexe",
    "género",
    "genere",
    "geslacht",
    "性別",
    "性别",
];

/// Whether a question is about legal standing or protected characteristics.
pub fn is_sensitive(field: &Field) -> bool {
    let text = format!(" {} {} ", words::plain(&field.question), words::plain(&field.help));
    LEGAL
        .iter()
        .chain(PERSONAL)
        .any(|word| text.contains(&format!(" {word}")) || (!word.is_ascii() && text.contains(word)))
}

/// Whether a fact about this is one of legal standing or a protected characteristic.
pub fn is_weighty(about: &str) -> bool {
    let about = format!(" {} ", words::plain(about));
    LEGAL.iter().chain(PERSONAL).any(|word| about.contains(&format!(" {word}")))
        || FAMILIES.iter().flat_map(|(_, facts)| *facts).any(|word| about.contains(&format!(" {word}")))
}

/// Whether a question is about protected characteristics (equal opportunity).
pub fn is_personal(field: &Field) -> bool {
    let text = format!(" {} ", words::plain(&field.question));
    PERSONAL
        .iter()
        .any(|word| text.contains(&format!(" {word}")) || (!word.is_ascii() && text.contains(word)))
}

/// Words of a question, and words a fact about the same thing has in its name.
const FAMILIES: &[(&[&str], &[&str])] = &[
    (&["sponsor", "visa", "immigration"], &["sponsor", "visa"]),
    (
        &[
            "authorized",
            "authorised",
            "authorization",
            "authorisation",
            "eligible to work",
            "right to work",
            "entitled to work",
            "work permit",
            "arbeitserlaubnis",
            "permis de travail",
            "permiso de trabajo",
            "permesso di lavoro",
        ],
        &["authoriz", "authoris", "right to work", "work permit", "eligible", "citizen"],
    ),
    (&["citizen", "nationality"], &["citizen", "nationality"]),
    (
        &["criminal", "convicted", "conviction", "felony", "misdemeanor", "vorstrafe"],
        &["criminal", "convict", "felony", "misdemeanor"],
    ),
    (&["background check"], &["background"]),
    (&["drug"], &["drug"]),
    (
        &["non compete", "noncompete", "non solicit", "restrictive covenant"],
        &["compete", "solicit", "covenant"],
    ),
    (&["clearance"], &["clearance"]),
    (
        &[
            "18 years",
            "over 18",
            "at least 18",
            "legal age",
            "years of age",
            "how old",
            "your age",
            "age range",
            "age group",
            "date of birth",
            "birth date",
            "birthday",
        ],
        &["birth", "age", "18"],
    ),
    (&["driver"], &["driver", "licen"]),
    (
        &["gender", "sex", "geschlecht", "sexe", "género", "genere", "geslacht", "transgender"],
        &["gender", "sex"],
    ),
    (&["pronoun"], &["pronoun"]),
    (&["race", "racial", "ethnic"], &["race", "ethnic"]),
    (&["hispanic", "latino", "latinx"], &["hispanic", "latin", "ethnic", "race"]),
    (&["veteran"], &["veteran"]),
    (&["disab", "schwerbehind"], &["disab"]),
    (&["sexual orientation", "lgbt"], &["orientation", "lgbt"]),
];

/// Whether a fact about `about` is a fact about what a weighty question asks.
pub fn supports(about: &str, field: &Field) -> bool {
    let (about, asked) =
        (words::plain(about), format!(" {} {} ", words::plain(&field.question), words::plain(&field.help)));
    let same = FAMILIES.iter().any(|(question, fact)| {
        question.iter().any(|word| asked.contains(&format!(" {word}")))
            && fact.iter().any(|word| about.contains(word))
    });
    same || words::question(&about) == words::question(&field.question)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::test_field, form::Kind};

    #[test]
    fn legal_and_personal_questions_are_known_by_their_words() {
        let sensitive = |text: &str| is_sensitive(&test_field(Kind::Radio, text));
        for text in [
            "Are you legally authorized to work in the US?",
            "Will you require sponsorship?",
            "Gender",
            "Have you been convicted of a felony?",
            "Are you over 18?",
        ] {
            assert!(sensitive(text), "{text}");
        }
        for text in ["First name", "Why us?", "Do you know Rust?", "Message", "Essex office"] {
            assert!(!sensitive(text), "{text}");
        }
    }
}
