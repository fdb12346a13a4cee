//! Boxes one has to tick to be allowed to apply: privacy notice, terms, truth of the statements.
//!
//! Who asks us to apply wants those ticked, unless the profile says `accept_terms: false`. Advertising is never agreed to.

use super::phrases::holds_any;
use super::{Answer, Decision, Profile, Source};
use crate::form::{Field, Kind, words};

/// Whole words and phrases; `*` goes on.
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
    "*datenschutz*",
    "*einwilligung*",
    "einverstanden",
    "bestätige*",
    "*zustimm*",
    "confidentialité*",
    "j accepte",
    "données personnelles",
    "privacidad",
    "acepto",
    "términos",
    "informativa",
    "accetto",
    "consento",
    "trattamento dei dati",
    "privacyverklaring*",
    "akkoord*",
    "voorwaarden*",
    "polityk*",
    "zgod*",
    "privacidade",
    "aceito",
    "integritetspolicy*",
    "samtycke*",
    "個人情報",
    "同意",
    "隐私",
    "개인정보",
    "동의",
];
const ADVERTISING: &[&str] = &[
    "newsletter*",
    "marketing",
    "promotion*",
    "sms",
    "text message*",
    "whatsapp",
    "job alert*",
    "talent community",
    "talent pool*",
    "future opportunit*",
    "other opportunit*",
    "keep me informed",
    "updates about",
    "werbung*",
    "publicit*",
    "publicid*",
    "pubblicit*",
];

/// Ticks a required consent.
pub fn decide(profile: &Profile, field: &Field) -> Option<Decision> {
    if field.kind != Kind::Checkbox || profile.get("accept_terms") == Some("No") {
        return None;
    }
    let label = field.options.first().map_or("", |it| it.label.as_str());
    let text = words::plain(&format!("{} {} {label}", field.question, field.help));
    let (asked, advertising) = (holds_any(&text, ASKED), holds_any(&text, ADVERTISING));
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
        for text in ["What I said is inaccurate", "I passed my midterms", "Send tips by sms, per the terms"] {
            assert!(decide(&profile, &required(text)).is_none(), "{text}");
        }
        for text in [
            "Ich stimme den Datenschutzbestimmungen zu",
            "プライバシーに同意します",
            "Zgoda na przetwarzanie",
            "Ich habe die Bewerberdatenschutzhinweise gelesen",
            "Einwilligung: meine Bewerbung wird gespeichert",
        ] {
            assert!(decide(&profile, &required(text)).is_some(), "{text}");
        }
    }

    #[test]
    fn a_candidate_may_refuse_all_terms() {
        let refusing = Profile::new(serde_json::json!({"accept_terms": false}).as_object().expect("object"));
        assert!(decide(&refusing, &required("I agree to the privacy policy")).is_none());
    }
}
