//! Did the application arrive? Only evidence counts: words, address, or the answer to the request that carried it.

use serde::Serialize;

use crate::browser::network::Exchange;
use crate::form::{Form, words};

/// What proves that the application arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// `text`, `url` or `response`.
    pub evidence: &'static str,
    /// The words, the address, or the answer.
    pub detail: String,
}

/// What the page says after the click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Arrived(Receipt),
    /// The page says what is wrong.
    Refused(String),
    /// The site answered the request with an error.
    Failed(u16),
    /// The form goes on on another page.
    MorePages,
    /// Nothing to judge by yet.
    Unclear,
}

const ARRIVED: &[&str] = &[
    "thank you for applying",
    "thanks for applying",
    "thank you for your application",
    "thank you for your interest in",
    "thank you for submitting",
    "thanks for submitting",
    "application submitted",
    "application received",
    "application sent",
    "application complete",
    "application has been submitted",
    "application has been received",
    "application has been sent",
    "application was submitted",
    "application was received",
    "application was sent",
    "application is submitted",
    "successfully submitted",
    "submitted successfully",
    "successfully applied",
    "received your application",
    "submission received",
    "your application is on its way",
    "we ll be in touch",
    "we will be in touch",
    "form has been submitted",
    "your response has been recorded",
    "message has been sent",
    "danke für deine bewerbung",
    "danke für ihre bewerbung",
    "dank für ihre bewerbung",
    "dank für deine bewerbung",
    "bewerbung erfolgreich",
    "bewerbung wurde",
    "bewerbung ist eingegangen",
    "bewerbung eingegangen",
    "erfolgreich übermittelt",
    "erfolgreich gesendet",
    "merci d avoir postulé",
    "merci pour votre candidature",
    "merci de votre candidature",
    "candidature a été envoyée",
    "candidature a bien été",
    "candidature envoyée",
    "bien reçu votre candidature",
    "gracias por tu solicitud",
    "gracias por su solicitud",
    "gracias por postular",
    "gracias por tu candidatura",
    "gracias por tu interés",
    "solicitud enviada",
    "solicitud ha sido enviada",
    "candidatura enviada",
    "hemos recibido tu",
    "grazie per la tua candidatura",
    "grazie per esserti candidato",
    "candidatura inviata",
    "candidatura è stata inviata",
    "abbiamo ricevuto la tua candidatura",
    "bedankt voor je sollicitatie",
    "bedankt voor uw sollicitatie",
    "sollicitatie is verzonden",
    "sollicitatie verzonden",
    "sollicitatie ontvangen",
    "dziękujemy za przesłanie",
    "dziękujemy za aplikację",
    "aplikacja została wysłana",
    "zgłoszenie zostało wysłane",
    "obrigado por se candidatar",
    "obrigado pela sua candidatura",
    "candidatura foi enviada",
    "tack för din ansökan",
    "ansökan har skickats",
    "tak for din ansøgning",
    "ansøgning er sendt",
    "takk for din søknad",
    "søknaden er sendt",
    "kiitos hakemuksesta",
    "hakemuksesi on lähetetty",
    "děkujeme za",
    "спасибо за отклик",
    "応募が完了",
    "応募ありがとう",
    "応募を受け付け",
    "送信が完了",
    "申请已提交",
    "提交成功",
    "感谢您的申请",
    "感谢您的应聘",
    "지원이 완료",
    "지원해 주셔서",
    "제출되었습니다",
];
const THANKS: &[&str] = &[
    "thank you",
    "thanks",
    "success",
    "confirmation",
    "all done",
    "you re all set",
    "congratulations",
    "vielen dank",
    "danke",
    "merci",
    "gracias",
    "grazie",
    "bedankt",
    "dziękujemy",
    "obrigado",
    "tack",
    "tak",
    "takk",
    "kiitos",
    "ありがとう",
    "谢谢",
    "감사합니다",
];
const ROUTE: &[&str] = &[
    "thank",
    "confirm",
    "success",
    "submitted",
    "complete",
    "applied",
    "danke",
    "merci",
    "gracias",
    "bedankt",
];
const WRONG: &[&str] = &[
    "error",
    "something went wrong",
    "failed",
    "could not be",
    "unable to",
    "try again",
    "not valid",
    "invalid",
    "is required",
    "fehler",
    "fehlgeschlagen",
    "ungültig",
    "erreur",
    "échec",
    "erreurs",
    "error al",
    "inválido",
    "errore",
    "fout",
    "błąd",
    "erro",
    "エラー",
    "错误",
    "오류",
];

/// Judges the page `after` the click by comparison with the page `before`, and by what was sent meanwhile.
pub fn judge(before: &Form, after: &Form, sent: &[Exchange]) -> Verdict {
    let (was, now) = (words::plain(&before.page.text), words::plain(&after.page.text));
    let news = |phrases: &[&'static str]| {
        phrases.iter().copied().find(|phrase| holds(&now, phrase) && !holds(&was, phrase))
    };
    let kept = after
        .fields
        .iter()
        .filter(|field| {
            before.find(field).is_some() || before.fields.iter().any(|old| old.question == field.question)
        })
        .count();
    let gone = before.fields.is_empty() && after.fields.is_empty() || kept == 0;
    let no_form = after.fields.is_empty();
    let new_errors: Vec<&String> =
        after.errors.iter().filter(|error| !before.errors.contains(error)).collect();
    let invalid: Vec<String> = after
        .fields
        .iter()
        .filter(|field| !field.error.is_empty())
        .map(|field| format!("{}: {}", field.question, field.error))
        .collect();
    let failed = sent.iter().filter(|it| it.done).find_map(|it| it.status.filter(|status| *status >= 400));
    let taken = sent.iter().find_map(|it| it.status.filter(|status| (200..400).contains(status)));

    if let Some(phrase) =
        news(ARRIVED).filter(|_| invalid.is_empty() && (no_form || gone || failed.is_none()))
    {
        return Verdict::Arrived(Receipt { evidence: "text", detail: phrase.to_owned() });
    }
    if !gone && (!new_errors.is_empty() || !invalid.is_empty()) {
        let texts = invalid.into_iter().chain(new_errors.into_iter().cloned()).take(5).collect::<Vec<_>>();
        return Verdict::Refused(texts.join("; "));
    }
    if let Some(status) = failed {
        return Verdict::Failed(status);
    }
    if !gone {
        return Verdict::Unclear;
    }
    if !no_form {
        return Verdict::MorePages;
    }
    let wrong = WRONG
        .iter()
        .any(|word| holds(&words::plain(&format!("{} {}", after.page.title, after.page.heading)), word))
        || !new_errors.is_empty()
        || (now.len() < 600 && news(WRONG).is_some());
    let onward = after.buttons.iter().any(|it| {
        matches!(words::press(&it.text, true), words::Press::Next | words::Press::Submit) && !it.link
    });
    if wrong || onward {
        return Verdict::Unclear;
    }
    let address = after.page.url.to_lowercase();
    if address != before.page.url.to_lowercase() && ROUTE.iter().any(|word| address.contains(word)) {
        return Verdict::Arrived(Receipt { evidence: "url", detail: after.page.url.clone() });
    }
    if let Some(phrase) = news(THANKS) {
        return Verdict::Arrived(Receipt { evidence: "text", detail: phrase.to_owned() });
    }
    match taken {
        Some(status) if !now.is_empty() => Verdict::Arrived(Receipt {
            evidence: "response",
            detail: format!("the form was posted and answered {status}"),
        }),
        _ => Verdict::Unclear,
    }
}

/// Whether a text holds a phrase on word boundaries; scripts without spaces have none.
fn holds(text: &str, phrase: &str) -> bool {
    if phrase.chars().any(|it| it as u32 >= 0x2E80) {
        return text.contains(phrase);
    }
    text.match_indices(phrase).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_none_or(|it| it == ' ');
        before && text[at + phrase.len()..].chars().next().is_none_or(|it| it == ' ')
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::decide::test_field;
    use crate::form::{Kind, PageFacts};

    fn form(text: &str, url: &str, questions: &[&str]) -> Form {
        Form {
            page: PageFacts { text: text.into(), url: url.into(), ..PageFacts::default() },
            fields: questions.iter().map(|it| test_field(Kind::Text, it)).collect(),
            ..Form::default()
        }
    }

    fn sent(status: u16) -> Exchange {
        Exchange {
            method: "POST".into(),
            url: "u".into(),
            document: true,
            frame: None,
            status: Some(status),
            sent: Instant::now(),
            done: true,
        }
    }

    #[test]
    fn words_that_stood_there_before_prove_nothing() {
        let before = form("Thank you for your interest in Acme", "/apply", &["Name"]);
        assert_eq!(judge(&before, &before, &[]), Verdict::Unclear);
    }

    #[test]
    fn new_words_prove_arrival() {
        let (before, after) =
            (form("Apply", "/apply", &["Name"]), form("Thanks for applying, Ada!", "/apply", &[]));
        assert!(matches!(judge(&before, &after, &[]), Verdict::Arrived(Receipt { evidence: "text", .. })));
    }

    #[test]
    fn an_error_page_is_no_receipt() {
        let before = form("Apply", "/apply", &["Name"]);
        assert_eq!(
            judge(&before, &form("Something went wrong", "/apply", &[]), &[sent(200)]),
            Verdict::Unclear
        );
        assert_eq!(judge(&before, &form("Oops", "/apply", &[]), &[sent(500)]), Verdict::Failed(500));
    }

    #[test]
    fn a_form_that_complains_was_refused() {
        let before = form("Apply", "/apply", &["Name"]);
        let mut after = before.clone();
        after.fields[0].error = "Name is required".into();
        assert_eq!(judge(&before, &after, &[]), Verdict::Refused("Name: Name is required".into()));
    }

    #[test]
    fn a_form_with_other_questions_goes_on() {
        let (before, after) = (form("Apply", "/apply", &["Name"]), form("More", "/apply", &["Salary"]));
        assert_eq!(judge(&before, &after, &[sent(200)]), Verdict::MorePages);
    }

    #[test]
    fn a_posted_form_that_gave_way_to_a_page_without_questions_arrived() {
        let (before, after) = (form("Apply", "/apply", &["Name"]), form("Hakemus vastaanotettu", "/x", &[]));
        assert!(matches!(
            judge(&before, &after, &[sent(200)]),
            Verdict::Arrived(Receipt { evidence: "response", .. })
        ));
        assert_eq!(judge(&before, &after, &[]), Verdict::Unclear);
    }
}
