//! Boxes one has to tick to be allowed to apply: privacy notice, terms, truth of the statements.
//!
//! Who asks us to apply wants those ticked, unless the profile says `accept_terms: false`. Advertising is never agreed to.

use super::{Answer, Decision, Profile, Source};
use crate::form::{Field, Kind, words};

const ASKED: &[&str] = &[
    "privacy",
    "terms",
    "data protection",
    "personal data",
    "i certify",
    "i confirm",
    "i acknowledge",
    "i have read",
    "i agree",
    "i consent",
    "i declare",
    "i understand",
    "i accept",
    "true and complete",
    "accurate",
    "gdpr",
    "datenschutz",
    "einwilligung",
    "einverstanden",
    "bestätige",
    "zustimm",
    "confidentialité",
    "j accepte",
    "données personnelles",
    "privacidad",
    "acepto",
    "términos",
    "informativa",
    "accetto",
    "consento",
    "trattamento dei dati",
    "privacyverklaring",
    "akkoord",
    "voorwaarden",
    "polityk",
    "zgod",
    "privacidade",
    "aceito",
    "integritetspolicy",
    "samtycke",
    "個人情報",
    "同意",
    "隐私",
    "개인정보",
    "동의",
];
const ADVERTISING: &[&str] = &[
    "newsletter",
    "marketing",
    "promotion",
    "sms",
    "text message",
    "whatsapp",
    "job alert",
    "talent community",
    "talent pool",
    "future opportunit",
    "other opportunit",
    "keep me informed",
    "updates about",
    "werbung",
    "publicit",
    "publicid",
    "pubblicit",
];

/// Ticks a required consent.
pub fn decide(profile: &Profile, field: &Field) -> Option<Decision> {
    if field.kind != Kind::Checkbox || profile.get("accept_terms") == Some("No") {
        return None;
    }
    let label = field.options.first().map_or("", |it| it.label.as_str());
    let text = words::plain(&format!("{} {} {label}", field.question, field.help));
    let asked = ASKED.iter().any(|word| text.contains(word));
    let advertising = ADVERTISING.iter().any(|word| text.contains(word));
    (asked && !advertising && (field.is_required() || profile.get("accept_terms") == Some("Yes")))
        .then(|| Decision { answer: Answer::Tick(true), source: Source::Rule, fact: "accept_terms".into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::test_field;

    fn required(text: &str) -> Field {
        Field { required: vec!["attribute".into()], ..test_field(Kind::Checkbox, text) }
    }

    #[test]
    fn required_terms_are_accepted_and_advertising_never() {
        let profile = Profile::default();
        assert!(decide(&profile, &required("I agree to the privacy policy")).is_some());
        assert!(decide(&profile, &required("I agree to receive marketing e-mails")).is_none());
        assert!(
            decide(&profile, &test_field(Kind::Checkbox, "I agree to the terms")).is_none(),
            "not required"
        );
    }

    #[test]
    fn a_candidate_may_refuse_all_terms() {
        let refusing = Profile::new(serde_json::json!({"accept_terms": false}).as_object().expect("object"));
        assert!(decide(&refusing, &required("I agree to the privacy policy")).is_none());
    }
}
