//! What stops the work: judged by what is rendered on the page, never by markup that may mean nothing.

use serde::Serialize;

use crate::form::{Field, Form, Kind, words};

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocker {
    /// A captcha challenge covers the page.
    Captcha,
    /// The page asks for an account.
    Login,
    /// The page asks for a one-time code.
    #[serde(rename = "2fa")]
    TwoFactor,
    /// The whole page is a check for robots.
    BotCheck,
    /// The job is no longer offered.
    JobClosed,
    /// The candidate applied before.
    AlreadyApplied,
    /// The site refuses because of too many requests.
    RateLimited,
    /// The site refuses this part of the world.
    GeoBlocked,
    /// The page does not exist.
    PageMissing,
    /// The site is broken.
    SiteError,
}

/// What becomes of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A person has to act.
    Human,
    /// Another try may help.
    Retry,
    /// Nothing helps.
    End,
}

impl Blocker {
    /// Whether a person can remove it.
    pub const fn is_for_people(self) -> bool {
        matches!(self.verdict().2, Fate::Human)
    }

    /// The error code, a sentence for the job's user, and what becomes of the job.
    pub const fn verdict(self) -> (&'static str, &'static str, Fate) {
        match self {
            Self::Captcha => {
                ("captcha_blocked", "The page shows a captcha that a person has to solve", Fate::Human)
            }
            Self::Login => ("login_required", "The page asks for a login", Fate::Human),
            Self::TwoFactor => ("2fa_required", "The page asks for a verification code", Fate::Human),
            Self::BotCheck => {
                ("anti_bot_detected", "The site checks for robots before it shows the page", Fate::Human)
            }
            Self::JobClosed => ("job_closed", "The job is no longer open for applications", Fate::End),
            Self::AlreadyApplied => {
                ("already_applied", "The candidate has already applied for this job", Fate::End)
            }
            Self::RateLimited => {
                ("rate_limited", "The site answered that there were too many requests", Fate::Retry)
            }
            Self::GeoBlocked => ("geo_blocked", "The site refuses visitors from here", Fate::End),
            Self::PageMissing => ("page_not_found", "The page does not exist", Fate::End),
            Self::SiteError => ("site_error", "The site answered with an error", Fate::Retry),
        }
    }
}

const CLOSED: &[&str] = &[
    "no longer accepting applications",
    "this job is no longer available",
    "this position is no longer available",
    "this position has been filled",
    "this job has expired",
    "this job posting has expired",
    "job is closed",
    "position is closed",
    "posting is closed",
    "the job you are looking for is no longer open",
    "no longer open",
    "diese stelle ist nicht mehr verfügbar",
    "stelle ist bereits besetzt",
    "cette offre n est plus disponible",
    "esta oferta ya no está disponible",
    "questa offerta non è più disponibile",
    "deze vacature is gesloten",
    "この求人は終了",
];
const APPLIED: &[&str] = &[
    "you have already applied",
    "you ve already applied",
    "youve already applied",
    "you already applied",
    "already submitted an application",
    "already have an application for this job",
    "sie haben sich bereits beworben",
    "du hast dich bereits beworben",
    "vous avez déjà postulé",
    "ya has postulado",
    "ya te has postulado",
    "hai già inviato la tua candidatura",
    "je hebt al gesolliciteerd",
    "応募済み",
];
const ROBOTS: &[&str] = &[
    "checking your browser before",
    "verify you are human",
    "verify you re human",
    "verify that you are not a robot",
    "please enable javascript and cookies to continue",
    "are you a robot",
    "press hold to confirm you are a human",
    "unusual traffic from your",
];
const CODE: &[&str] = &[
    "verification code",
    "security code",
    "one time code",
    "enter the code",
    "code we sent",
    "code sent to",
    "authenticator",
    "two factor",
    "bestätigungscode",
    "sicherheitscode",
    "code de vérification",
    "código de verificación",
    "codice di verifica",
];
const LOGIN: &[&str] = &[
    "sign in",
    "log in",
    "login",
    "create account",
    "create an account",
    "anmelden",
    "einloggen",
    "se connecter",
    "connexion",
    "iniciar sesión",
    "accedi",
    "inloggen",
    "zaloguj",
    "entrar",
    "ログイン",
    "登录",
    "로그인",
];

/// What only stops the last step: a box that a person has to tick.
pub fn at_the_end(form: &Form) -> Option<Blocker> {
    (!form.page.widgets.is_empty()).then_some(Blocker::Captcha)
}

/// What stands in the way on this page, whose document was answered with `status`.
pub fn find(form: &Form, status: Option<u16>) -> Option<Blocker> {
    let text = words::plain(&form.page.text);
    let head = words::plain(&format!("{} {}", form.page.title, form.page.heading));
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    // The boxes of a code, one for each character, are no questions.
    let of_code = |field: &Field| form.page.codes >= 4 && field.max_length == Some(1);
    let questions = form.fields.iter().filter(|it| it.kind != Kind::Password && !of_code(it)).count();
    if !form.page.challenges.is_empty() {
        return Some(Blocker::Captcha);
    }
    if questions == 0 && says(ROBOTS) {
        return Some(Blocker::BotCheck);
    }
    match status {
        Some(429) => return Some(Blocker::RateLimited),
        Some(451) => return Some(Blocker::GeoBlocked),
        Some(401 | 407) => return Some(Blocker::Login),
        Some(404 | 410) if questions == 0 => return Some(Blocker::PageMissing),
        Some(403) if questions == 0 => return Some(Blocker::BotCheck),
        Some(400..) if questions == 0 => return Some(Blocker::SiteError),
        _ => {}
    }
    if questions <= 2 && (form.page.code_input || form.page.codes > 0 && says(CODE)) {
        return Some(Blocker::TwoFactor);
    }
    if form.page.passwords > 0 && questions <= 2 && !form.fields.iter().any(|field| field.kind == Kind::File)
    {
        let button =
            form.buttons.iter().any(|it| LOGIN.iter().any(|word| words::plain(&it.text).contains(word)));
        if button || LOGIN.iter().any(|word| head.contains(word)) {
            return Some(Blocker::Login);
        }
    }
    if questions == 0 && says(APPLIED) {
        return Some(Blocker::AlreadyApplied);
    }
    (questions == 0 && says(CLOSED)).then_some(Blocker::JobClosed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::test_field, form::PageFacts};

    fn page(text: &str) -> Form {
        Form { page: PageFacts { text: text.into(), ..PageFacts::default() }, ..Form::default() }
    }

    #[test]
    fn the_word_captcha_in_a_form_is_no_blocker() {
        let mut form = page(
            "This site is protected by reCAPTCHA. Error 429 means too many requests. Enter the security code of your badge.",
        );
        form.fields.push(test_field(Kind::Text, "First name"));
        assert_eq!(find(&form, Some(200)), None);
    }

    #[test]
    fn a_password_box_beside_an_application_is_no_login_wall() {
        let mut form = page("Create a password to check your status later");
        form.page.passwords = 1;
        for question in ["First name", "Last name", "E-mail"] {
            form.fields.push(test_field(Kind::Text, question));
        }
        assert_eq!(find(&form, Some(200)), None);
    }

    #[test]
    fn what_is_rendered_or_answered_is_found() {
        let mut form = page("");
        form.page.challenges.push("https://hcaptcha.test/challenge".into());
        assert_eq!(find(&form, Some(200)), Some(Blocker::Captcha));
        assert_eq!(find(&page("x"), Some(429)), Some(Blocker::RateLimited));
        assert_eq!(find(&page("This position has been filled."), Some(200)), Some(Blocker::JobClosed));
        assert_eq!(find(&page("Not here"), Some(404)), Some(Blocker::PageMissing));
        let mut login = page("Welcome back");
        login.page.passwords = 1;
        login.page.heading = "Sign in".into();
        assert_eq!(find(&login, Some(200)), Some(Blocker::Login));
    }
}
