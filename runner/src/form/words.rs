//! Normal forms of text, and the words on buttons, in the languages application forms are written in.

/// Words that say nothing about what is asked.
const FILLER: &[&str] = &[
    "please enter",
    "please provide",
    "please select",
    "please choose",
    "please",
    "enter",
    "provide",
    "select",
    "what is your",
    "what s your",
    "what are your",
    "what is",
    "your",
    "candidate",
    "applicant",
    "the",
];

/// The text in lower case, punctuation gone, one space between words.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() || character == '+' || character == '#' {
            out.push(character);
        } else if character != '\'' && character != '’' && !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
    }
    out.trim_end().to_owned()
}

/// A question's normal form: [`plain`], without filler and without remarks on being required.
pub fn question(text: &str) -> String {
    let mut text = plain(text);
    for tail in [" required", " optional"] {
        if let Some(short) = text.strip_suffix(tail) {
            text = short.to_owned();
        }
    }
    while let Some(rest) = FILLER.iter().find_map(|filler| text.strip_prefix(filler)?.strip_prefix(' ')) {
        text = rest.to_owned();
    }
    text
}

/// A control name's normal form: letters and digits only.
pub fn squashed(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).filter(|it| it.is_alphanumeric()).collect()
}

/// Whether a normalised text begins with one of the phrases, on word boundaries.
fn begins(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| {
        text.strip_prefix(phrase)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ') || phrase.chars().all(is_unspaced))
    })
}

/// Whether a letter belongs to a script that puts no spaces between words.
const fn is_unspaced(letter: char) -> bool {
    letter as u32 >= 0x2E80
}

/// What pressing a button most likely does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Goes to the next page of the form.
    Next,
    /// Sends the application: irreversible.
    Submit,
    /// Opens the form.
    Open,
    /// Accepts or closes a notice that lies over the page.
    Dismiss,
    /// Something else.
    Other,
}

const NEXT: &[&str] = &[
    "next",
    "continue",
    "save and continue",
    "save continue",
    "proceed",
    "save next",
    "save and next",
    "go to next",
    "weiter",
    "nächste",
    "speichern und weiter",
    "fortfahren",
    "suivant",
    "continuer",
    "siguiente",
    "continuar",
    "avanti",
    "continua",
    "prosegui",
    "volgende",
    "verder",
    "dalej",
    "następny",
    "następna",
    "próximo",
    "seguinte",
    "avançar",
    "nästa",
    "næste",
    "neste",
    "fortsätt",
    "fortsæt",
    "fortsett",
    "seuraava",
    "další",
    "далее",
    "次へ",
    "次に",
    "下一步",
    "다음",
    "review",
    "review application",
    "review and submit",
    "review my application",
];
const SUBMIT: &[&str] = &[
    "submit",
    "send application",
    "send my application",
    "send",
    "apply",
    "complete application",
    "finish",
    "finish application",
    "confirm and submit",
    "confirm application",
    "i m done",
    "bewerbung absenden",
    "bewerbung abschicken",
    "bewerbung senden",
    "jetzt bewerben",
    "absenden",
    "abschicken",
    "senden",
    "bewerben",
    "einreichen",
    "envoyer",
    "soumettre",
    "postuler",
    "je postule",
    "valider ma candidature",
    "enviar",
    "presentar",
    "postular",
    "solicitar",
    "inscribirme",
    "invia",
    "candidati",
    "verstuur",
    "verzend",
    "versturen",
    "verzenden",
    "solliciteer",
    "solliciteren",
    "wyślij",
    "aplikuj",
    "candidatar",
    "submeter",
    "skicka",
    "ansök",
    "sök jobbet",
    "send ansøgning",
    "ansøg",
    "send søknad",
    "søk",
    "lähetä",
    "hae",
    "odeslat",
    "отправить",
    "送信",
    "応募",
    "提交",
    "申请",
    "제출",
    "지원",
];
const OPEN: &[&str] = &[
    "apply",
    "start application",
    "start your application",
    "begin application",
    "apply for this job",
    "i m interested",
    "interested",
    "apply manually",
    "bewerben",
    "jetzt bewerben",
    "zur bewerbung",
    "online bewerben",
    "postuler",
    "je postule",
    "postular",
    "candidati",
    "aplikuj",
    "solliciteer",
    "ansök",
    "応募",
    "申请",
    "지원",
];
const DISMISS: &[&str] = &[
    "accept",
    "accept all",
    "accept all cookies",
    "accept cookies",
    "allow all",
    "allow cookies",
    "agree",
    "i agree",
    "got it",
    "ok",
    "reject all",
    "reject",
    "decline",
    "only necessary",
    "necessary only",
    "essential only",
    "alle akzeptieren",
    "akzeptieren",
    "zustimmen",
    "alle ablehnen",
    "ablehnen",
    "tout accepter",
    "accepter",
    "tout refuser",
    "aceptar",
    "aceptar todo",
    "rechazar",
    "accetta",
    "rifiuta",
    "accepteren",
    "weigeren",
    "zaakceptuj",
    "aceitar",
];
const SIDE: &[&str] = &[
    "subscribe",
    "sign up",
    "search",
    "sign in",
    "log in",
    "login",
    "notify me",
    "create alert",
    "create job alert",
    "set alert",
    "newsletter",
    "abonnieren",
    "suchen",
    "anmelden",
    "rechercher",
    "s abonner",
    "buscar",
    "cerca",
    "iscriviti",
    "zoeken",
    "szukaj",
    "sök",
    "検索",
    "登録",
];
/// Words that make an "apply" button no submit button.
const NOT_SUBMIT: &[&str] = &[
    "filter",
    "filters",
    "with linkedin",
    "with indeed",
    "with google",
    "with facebook",
    "with seek",
    "feedback",
    "search",
    "coupon",
    "later",
    "another",
    "resume",
    "code",
];

/// What a button with this text does; `form` says whether questions stand on the page.
pub fn press(text: &str, form: bool) -> Press {
    let text = plain(text);
    if NOT_SUBMIT.iter().any(|word| text.contains(word))
        && !begins(&text, &["submit application", "submit my application"])
    {
        return Press::Other;
    }
    if form && begins(&text, NEXT) {
        return Press::Next;
    }
    if form && begins(&text, SUBMIT) {
        return Press::Submit;
    }
    if !form && begins(&text, OPEN) {
        return Press::Open;
    }
    if DISMISS.contains(&text.as_str()) { Press::Dismiss } else { Press::Other }
}

/// Whether a form with this button is something beside the application.
pub fn is_side_form(text: &str) -> bool {
    begins(&plain(text), SIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_recognised_without_its_filler_and_marks() {
        for text in [
            "First name",
            "First Name *",
            "Your first name:",
            "Please enter your first name",
            "What is your first name?",
        ] {
            assert_eq!(question(text), "first name", "{text}");
        }
        assert_eq!(question("Candidate's e-mail"), "candidates e mail");
    }

    #[test]
    fn buttons_are_told_apart_in_many_languages() {
        let form = |text| press(text, true);
        for text in [
            "Submit application",
            "Apply now",
            "Bewerbung absenden",
            "Envoyer ma candidature",
            "応募する",
            "提交",
            "Send",
        ] {
            assert_eq!(form(text), Press::Submit, "{text}");
        }
        for text in
            ["Next", "Save and continue", "Weiter", "Suivant", "次へ", "Continue →", "Review and submit"]
        {
            assert_eq!(form(text), Press::Next, "{text}");
        }
        for text in
            ["Apply filters", "Apply with LinkedIn", "Sending options…", "Back", "Save for later", "Nextdoor"]
        {
            assert_eq!(form(text), Press::Other, "{text}");
        }
        assert_eq!(press("Apply for this job", false), Press::Open);
    }
}
