//! What a page's sentences say about an application: that it was sent, that it was not, or that more is wanted.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::form::words;

/// From this letter on scripts put no spaces between words.
const UNSPACED: u32 = 0x2E80;
/// A sentence of at most so many words that denies something denies the one beside it.
const SHORT: usize = 2;
/// Thanks with more words than these beside them (a name) are for something else.
const THANKS: usize = 2;

/// The words of each language.
static LEXICON: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("confirmation.toml")).unwrap_or_default();
    file.language
});

#[derive(Debug, Default, Deserialize)]
struct File {
    language: Vec<Language>,
}

/// The words of one language; what they are for stands in their file. They count beside each other only: a word of one language
/// is often a harmless one of another.
#[derive(Debug, Deserialize)]
struct Language {
    name: String,
    confirmations: Phrases,
    subjects: Phrases,
    done: Phrases,
    thanks: Phrases,
    promises: Phrases,
    negations: Phrases,
    regrets: Phrases,
    conditions: Phrases,
    requests: Phrases,
    wrong: Phrases,
    sending: Phrases,
    progress: Phrases,
}

/// Phrases that are looked for, on word boundaries where there are words.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Phrases(Vec<String>);

impl Phrases {
    fn find(&self, text: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|phrase| place(text, phrase, true).is_some())
    }

    fn any(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Whether a word begins with one of them.
    fn begins(&self, text: &str) -> bool {
        self.0.iter().any(|phrase| place(text, phrase, false).is_some())
    }
}

impl Language {
    /// Whether a clause says by itself that an application was sent.
    fn confirms(&self, clause: &str) -> bool {
        if let Some(phrase) = self.confirmations.find(clause) {
            // Thanks come after the thing: what follows them in the clause is about something else.
            let at = place(clause, phrase, true).unwrap_or_default();
            let unspaced = phrase.chars().any(|it| it as u32 >= UNSPACED);
            let first = if unspaced { clause } else { &clause[..at] };
            return !self.conditions.any(first) && !self.denies(clause) && !self.requests.any(clause);
        }
        self.subjects.any(clause) && self.done.any(clause) && !self.takes_back(clause)
    }

    fn denies(&self, clause: &str) -> bool {
        self.negations.any(clause) || self.regrets.any(clause)
    }

    fn takes_back(&self, clause: &str) -> bool {
        self.denies(clause) || self.conditions.any(clause) || self.wants(clause) || self.progress.any(clause)
    }

    /// Whether a text asks for something; "the time to complete …" does not.
    fn wants(&self, text: &str) -> bool {
        if ["no", "nothing", "nichts", "keine", "aucune", "nessuna"]
            .contains(&text.split(' ').next().unwrap_or_default())
        {
            return false; // "No further action is required."
        }
        self.requests.0.iter().any(|phrase| {
            place(text, phrase, true).is_some_and(|at| {
                let last = text[..at].trim_end().rsplit(' ').next().unwrap_or_default();
                !["time", "opportunity", "chance", "effort"].contains(&last)
            })
        })
    }

    /// Whether a text says that something went wrong, is missing, or was not sent.
    fn objects(&self, text: &str) -> bool {
        if is_supposed(text) {
            return false;
        }
        self.wants(text) || self.wrong.any(text) || (self.denies(text) && self.sending.begins(text))
    }

    /// Whether a sentence takes back what the one beside it says.
    fn objects_beside(&self, text: &str) -> bool {
        let short = text.split(' ').count() <= SHORT && self.negations.any(text) && !self.confirms(text);
        // "Your application was not": the rest of it stands elsewhere.
        let open = text.rsplit(' ').next().is_some_and(|last| self.negations.any(last));
        short || open || self.objects(text) || self.is_yet_to_be(text)
    }

    /// Whether a sentence speaks of an application that is yet to be sent.
    fn is_yet_to_be(&self, text: &str) -> bool {
        self.subjects.any(text) && self.done.any(text) && self.conditions.any(text) && !is_supposed(text)
    }

    /// Whether a clause denies that something was sent.
    fn is_denial(&self, clause: &str) -> bool {
        self.subjects.any(clause) && self.negations.any(clause) && self.done.any(clause)
    }
}

/// Where a phrase stands: at the start of a word, and up to the end of one where it is `whole`.
fn place(text: &str, phrase: &str, whole: bool) -> Option<usize> {
    let unspaced = phrase.chars().any(|it| it as u32 >= UNSPACED);
    text.match_indices(phrase).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back().is_none_or(|it| it == ' ');
        let after = text[at + phrase.len()..].chars().next().is_none_or(|it| it == ' ');
        unspaced || (before && (after || !whole))
    })
}

/// A sentence in its normal form, in clauses.
#[derive(Debug)]
struct Sentence {
    text: String,
    clauses: Vec<String>,
}

/// The sentences of a page; each block of it is one at least.
fn sentences(text: &str) -> Vec<Sentence> {
    let ends = |it: char| matches!(it, '\n' | '.' | '!' | '?' | '。' | '！' | '？' | '…' | '•' | '|');
    let breaks = |it: char| matches!(it, ',' | ';' | '–' | '—' | '(' | ')' | '、' | '，' | '；');
    let text = joined(text);
    let found = text.split(ends).map(|sentence| Sentence {
        text: words::plain(sentence),
        clauses: sentence.split(breaks).map(words::plain).filter(|it| !it.is_empty()).collect(),
    });
    found.filter(|it| !it.text.is_empty()).collect()
}

/// The lines of a page; one that goes on in small letters belongs to the one before it.
fn joined(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let goes_on = line.chars().next().is_some_and(char::is_lowercase)
            && all.chars().next_back().is_some_and(|it| it.is_alphanumeric() || it == ',');
        all.push(if goes_on { ' ' } else { '\n' });
        all.push_str(line);
    }
    all
}

/// A page's words, beside those that stood there before.
#[derive(Debug)]
pub(super) struct Wording {
    sentences: Vec<Sentence>,
    old: HashSet<String>,
    head: String,
    /// Whether the page is an answer for programs: its words are not said to anyone.
    is_data: bool,
}

impl Wording {
    /// The words of a page that was `before` another.
    pub(super) fn new(before: &str, now: &str, head: &str) -> Self {
        let old = sentences(before).into_iter().map(|it| it.text).collect();
        let is_data = now.trim_start().starts_with(['{', '[']) && now.contains("\":");
        Self { sentences: sentences(now), old, head: words::plain(head), is_data }
    }

    /// The new sentence that says that the application was sent, where nothing takes it back.
    pub(super) fn confirmation(&self) -> Option<String> {
        if self.is_denied() || self.is_wrong() || self.is_data {
            return None;
        }
        let said =
            |at: &usize| self.is_new(*at) && LEXICON.iter().any(|language| self.confirms(language, *at));
        let at = (0..self.sentences.len()).find(said)?;
        Some(self.sentences[at].text.chars().take(200).collect())
    }

    /// New thanks for nothing in particular, on a page that promises to answer, and neither complains nor wants anything.
    pub(super) fn thanks(&self) -> Option<String> {
        if self.contradicts() {
            return None;
        }
        let thanks = |text: &str| {
            let few = |phrase: &str| text.split(' ').count() <= phrase.split(' ').count() + THANKS;
            let says = |it: &Language| {
                let only =
                    it.thanks.0.iter().any(|phrase| place(text, phrase, true).is_some() && few(phrase));
                (only || it.thanks.any(text) && it.subjects.any(text)) && !it.takes_back(text)
            };
            LEXICON.iter().any(says)
        };
        let new = || (0..self.sentences.len()).filter(|at| self.is_new(*at));
        // Thanks for something else, a profile or a subscription, promise nothing to an applicant.
        new().find(|at| LEXICON.iter().any(|it| it.promises.any(&self.sentences[*at].text)))?;
        let found = new().find(|at| thanks(&self.sentences[*at].text))?;
        Some(self.sentences[found].text.clone())
    }

    /// Whether anything new on the page denies, complains or wants something, in any language.
    pub(super) fn contradicts(&self) -> bool {
        let objects = |at: usize| LEXICON.iter().any(|it| it.objects_beside(&self.sentences[at].text));
        self.is_denied()
            || self.is_wrong()
            || self.is_data
            || (0..self.sentences.len()).filter(|at| self.is_new(*at)).any(objects)
    }

    /// Whether the page's title or heading says that something went wrong.
    fn is_wrong(&self) -> bool {
        LEXICON.iter().any(|it| it.wrong.any(&self.head))
    }

    /// Whether a sentence denies that something was sent, wherever it stands.
    fn is_denied(&self) -> bool {
        let denies = |clause: &String| LEXICON.iter().any(|it| it.is_denial(clause));
        self.sentences.iter().any(|it| !is_supposed(&it.text) && it.clauses.iter().any(denies))
    }

    fn is_new(&self, at: usize) -> bool {
        !self.old.contains(&self.sentences[at].text)
    }

    /// Whether a sentence confirms, and neither it nor the ones beside it take that back.
    fn confirms(&self, language: &Language, at: usize) -> bool {
        let clauses = &self.sentences[at].clauses;
        let Some(place) = clauses.iter().position(|clause| language.confirms(clause)) else { return false };
        // A page may speak English beside its own language.
        let both = || LEXICON.iter().filter(|it| it.name == language.name || it.name == "en");
        let mut other = clauses.iter().enumerate().filter(|(other, _)| *other != place);
        let taken_back = other.any(|(other, clause)| {
            // What comes first may be a condition; what follows may only object.
            both().any(|it| it.objects(clause) || it.regrets.any(clause))
                || (other < place && language.conditions.any(clause))
        });
        let beside = [at.checked_sub(1), Some(at + 1).filter(|next| *next < self.sentences.len())];
        let objects = |other: usize| both().any(|it| it.objects_beside(&self.sentences[other].text));
        !taken_back && !beside.into_iter().flatten().any(objects)
    }
}

/// Whether a sentence speaks of a case: "If you do not receive our e-mail …".
fn is_supposed(text: &str) -> bool {
    [
        "if ",
        "should you ",
        "in case ",
        "falls ",
        "wenn ",
        "sollten ",
        "si ",
        "en caso ",
        "se ",
        "als ",
        "indien ",
        "jeśli ",
        "caso ",
        "om ",
        "hvis ",
        "dersom ",
        "jos ",
        "pokud ",
        "если ",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// Whether a message that a page shows beside its form is a complaint, and not "Sending …" or a word of success.
pub(crate) fn complains(text: &str) -> bool {
    let text = words::plain(text);
    let asks = [
        "please",
        "enter",
        "select",
        "choose",
        "must",
        "required",
        "bitte",
        "veuillez",
        "por favor",
        "inserisci",
        "vul",
    ];
    let any = |tells: fn(&Language, &str) -> bool| LEXICON.iter().any(|it| tells(it, &text));
    if any(|it, text| it.progress.any(text)) && !any(|it, text| it.wrong.any(text)) {
        return false;
    }
    any(Language::objects)
        || any(Language::denies)
        || asks.iter().any(|word| place(&text, word, true).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(text: &str) -> bool {
        Wording::new("Apply as a clerk\nFirst name", text, "").confirmation().is_some()
    }

    #[test]
    fn the_lexicon_is_read_and_in_its_normal_form() {
        let file: File = toml::from_str(include_str!("confirmation.toml")).expect("TOML");
        for it in file.language {
            let all = [it.confirmations, it.subjects, it.done, it.thanks, it.negations, it.regrets];
            let more = [it.conditions, it.requests, it.wrong, it.sending, it.progress, it.promises];
            for phrase in all.into_iter().chain(more).flat_map(|it| it.0) {
                assert_eq!(words::plain(&phrase), phrase.trim(), "{}", it.name);
            }
        }
    }

    #[test]
    fn confirmations_are_understood_in_many_words_and_languages() {
        for text in [
            "Thank you for applying!\nWe will be in touch.",
            "Your application for Clerk at Acme was successfully submitted.",
            "We have received your application.\nPlease do not reply to this e-mail.",
            "Thank you for taking the time to complete our form.\nYour application has been received.",
            "Thanks for applying, Ada! We will contact you if your profile matches.",
            "Application submitted\nIf you do not receive an e-mail, check your spam folder.",
            "Application received\nNo further action is required. Please do not reply to our e-mail.",
            "Application status: Submitted\nSubmitted on 1 December 2026",
            "Vielen Dank für Ihre Bewerbung!\nWir melden uns.",
            "Ihre Bewerbung ist bei uns eingegangen.",
            "Ihre Bewerbung wurde erfolgreich übermittelt.",
            "Votre candidature a bien été envoyée.",
            "Tu solicitud ha sido enviada.",
            "La tua candidatura è stata inviata.",
            "Je sollicitatie is verzonden.",
            "Twoja aplikacja została wysłana.",
            "A sua candidatura foi enviada com sucesso.",
            "Din ansökan har skickats.",
            "Din ansøgning er sendt.",
            "Hakemuksesi on vastaanotettu.",
            "Ваша заявка отправлена.",
            "ご応募ありがとうございました。",
            "您的申请已提交。",
            "지원서가 제출되었습니다.",
        ] {
            assert!(confirmed(text), "{text}");
        }
    }

    #[test]
    fn what_is_denied_conditional_or_asked_for_is_no_confirmation() {
        for text in [
            "Your application was not submitted successfully.",
            "Your application wasn't submitted.",
            "Your application hasn’t been received.",
            "Your application couldn't be sent.",
            "Application submitted? No.",
            "Your application was\nNOT\nsubmitted successfully",
            "Your application was not\nsubmitted successfully",
            "Your application was not\nSubmitted successfully",
            "We have received your application, but it could not be processed.",
            "Thank you for applying. Unfortunately your application was not sent.",
            "You will receive a confirmation once your application has been submitted.",
            "Once your application has been submitted, you will receive an e-mail.",
            "Your application will be submitted tomorrow.",
            "After your application is submitted we review it.",
            "Your application is being submitted…",
            "Thank you for your interest in Acme, please complete the questionnaire.",
            "Thank you for applying! One more step: verify your email to complete your application.",
            "Thank you for your application. Please complete the following questions.",
            "Almost done! Thank you for your application.",
            "Your application has been saved as a draft.",
            "Your earlier application has been received.",
            "Application was submitted successfully: no",
            "{\"success\": false, \"message\": \"Application submitted\"}",
            "Ihre Bewerbung wurde leider nicht übermittelt.",
            "Ihre Bewerbung konnte nicht gesendet werden.",
            "Sobald Ihre Bewerbung eingegangen ist, melden wir uns.",
            "Ihre Bewerbung wurde zwischengespeichert.",
            "Votre candidature n'a pas été envoyée.",
            "Tu solicitud no se ha enviado.",
            "La tua candidatura non è stata inviata.",
            "Je sollicitatie is niet verzonden.",
            "Twoja aplikacja nie została wysłana.",
            "A sua candidatura não foi enviada.",
            "Din ansökan har inte skickats.",
            "Din ansøgning er ikke sendt.",
            "Hakemustasi ei ole vastaanotettu.\nHakemus ei lähetetty",
            "Přihláška nebyla odeslána.",
            "Ваша заявка не отправлена.",
            "応募が完了していません。",
            "送信が完了しませんでした。",
            "您的申请未提交成功。",
            "지원이 완료되지 않았습니다.",
        ] {
            assert!(!confirmed(text), "{text}");
        }
    }

    #[test]
    fn thanks_alone_count_only_where_nothing_speaks_against_them() {
        let thanks = |text: &str| Wording::new("Apply", text, "").thanks().is_some();
        assert!(thanks("Thank you, Ada!\nWe will be in touch."));
        assert!(!thanks(
            "Thank you for your interest in working with all of us\nPlease complete the questionnaire."
        ));
        assert!(!thanks("Thank you!\nYour session has expired."));
        assert!(!thanks("Thank you! Your profile has been updated."));
        assert!(!thanks("Thanks.\nSomething went wrong."));
    }

    #[test]
    fn a_message_is_a_complaint_only_by_its_words() {
        for text in ["Sending…", "Please wait", "Résumé uploaded", "Bewerbung wird gesendet"] {
            assert!(!complains(text), "{text}");
        }
        for text in
            ["Please enter a valid email", "Something went wrong", "Phone is required", "Could not be sent"]
        {
            assert!(complains(text), "{text}");
        }
    }
}
