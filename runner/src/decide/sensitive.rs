//! Questions whose answer has legal or personal weight: only the candidate's own facts may answer them.

use super::phrases::{self, holds_any};
use crate::form::{Field, words};

// Whole words and phrases; one that ends in `*` may go on.
#[rustfmt::skip]
const LEGAL: &[&str] = &[
    "authorized", "authorised", "authorization*", "authorisation*", "eligible to work", "right to work",
    "entitled to work", "work permit*", "sponsor*", "visa", "visas", "citizen*", "immigration", "immigrant*", "criminal*",
    "convicted", "conviction*", "felony", "felonies", "misdemeanor*", "misdemeanour*", "background check*", "drug test*",
    "drug screen*", "non compete*", "noncompete*", "non solicit*", "restrictive covenant*", "clearance", "clearances",
    "export control*", "18 years", "over 18", "at least 18", "legal age", "years of age", "bankrupt*", "terminated",
    "dismissed", "debarred", "sanction*", "conflict of interest", "conflicts of interest", "relative", "relatives",
    "related to", "government official*", "driver license*", "driver s license*", "drivers license*", "driver licence*",
    "drivers licence*", "driving licence*", "driving license*", "polygraph*", "vaccin*", "arbeitserlaubnis*",
    "vorstrafe*", "vorbestraft", "permis de travail", "permiso de trabajo", "permesso di lavoro", "werkvergunning*",
];
#[rustfmt::skip]
const PERSONAL: &[&str] = &[
    "gender*", "sex", "sexual*", "sexe", "race", "races", "racial*", "ethnic*", "hispanic*", "latino*", "latina*",
    "latinx", "latine", "veteran", "veterans", "disability", "disabilities", "disabled", "handicap*", "lgbt*",
    "transgender*", "trans", "nonbinary", "non binary", "pronoun*", "religion*", "religious*", "marital*", "married",
    "pregnan*", "nationality", "nationalities", "national origin", "ancestry", "indigenous", "aboriginal", "tribe",
    "tribal", "skin color", "skin colour", "date of birth", "birth*", "born", "dob", "how old", "age", "caste",
    "political*", "trade union*", "medical condition*", "medical history", "medical information", "health condition*", "mental health", "neurodiver*", "geschlecht*",
    "geburt*", "schwerbehind*", "behindert*", "behinderung*", "konfession", "familienstand",
    "staatsangehörigkeit*", "género", "genere", "geslacht", "fecha de nacimiento", "date de naissance", "性別", "性别",
    "生年月日", "出生日期",
];
#[rustfmt::skip]
const SECRET: &[&str] = &[
    "password*", "passwort*", "passwd", "pwd", "passcode*", "passphrase*", "mot de passe", "contraseña*", "pin", "otp",
    "totp", "one time*", "verification code*", "security code*", "access code*", "authentication code*", "auth code*",
    "confirmation code*", "code we sent", "code sent", "2fa", "mfa", "two factor*", "recovery code*", "backup code*",
    "secret", "secrets", "token", "tokens", "api key*", "private key*", "login credential*", "cvv", "cvc", "ssn",
    "social security*", "social insurance*", "national insurance*", "national id*", "tax id*", "tax number*",
    "tax identification*", "taxpayer*", "itin", "steuer id*", "steuernummer*", "steueridentifikation*",
    "sozialversicherung*", "passport*", "reisepass*", "id number*", "id card*", "identity card*", "identity number*",
    "identity document*", "identification number*", "personal number", "personnummer", "aadhaar*", "pan card",
    "pan number", "cpf", "dni", "codice fiscale", "bsn", "pesel", "bank account*", "bank detail*", "bank code*", "bankverbindung*", "account number*",
    "routing number*", "sort code*", "iban", "bic", "swift code", "credit card*", "debit card*", "card number*",
    "maiden name", "security question*", "security answer*", "license number*", "licence number*",
];

/// Whether a question is about legal standing, protected characteristics or a secret.
pub fn is_sensitive(field: &Field) -> bool {
    let text = words::plain(&format!("{} {}", field.question, field.help));
    holds_any(&text, LEGAL) || stays_home(&text) || is_secret(&phrases::of_key(&field.name))
}

/// Whether a fact about this is one of legal standing, a protected characteristic or a secret.
pub fn is_weighty(about: &str) -> bool {
    let about = words::plain(about);
    holds_any(&about, LEGAL)
        || stays_home(&about)
        || FAMILIES.iter().any(|(_, facts)| holds_any(&about, facts))
}

/// Whether a question is about protected characteristics (equal opportunity).
pub fn is_personal(field: &Field) -> bool {
    holds_any(&words::plain(&field.question), PERSONAL)
}

/// Whether a text in its normal form is about something that opens an account or is one's number with an office or bank.
pub fn is_secret(plain: &str) -> bool {
    holds_any(plain, SECRET)
}

/// Whether what answers a text in its normal form is told to no model's vendor.
pub fn stays_home(plain: &str) -> bool {
    holds_any(plain, PERSONAL) || is_secret(plain)
}

/// Words of a question, and words a fact about the same thing has in its name.
#[rustfmt::skip]
const FAMILIES: &[(&[&str], &[&str])] = &[
    (&["sponsor*", "visa", "visas", "immigration"], &["sponsor*", "visa", "visas"]),
    (
        &[
            "authorized", "authorised", "authorization*", "authorisation*", "eligible to work", "right to work",
            "entitled to work", "work permit*", "arbeitserlaubnis*", "permis de travail", "permiso de trabajo",
            "permesso di lavoro",
        ],
        &["authoriz*", "authoris*", "right to work", "work permit*", "eligible", "citizen*"],
    ),
    (&["citizen*", "nationality"], &["citizen*", "nationality"]),
    (
        &["criminal*", "convicted", "conviction*", "felony", "felonies", "misdemeanor*", "vorstrafe*"],
        &["criminal*", "convict*", "felony", "felonies", "misdemeanor*"],
    ),
    (&["background check*"], &["background check*"]),
    (&["drug test*", "drug screen*"], &["drug", "drugs"]),
    (
        &["non compete*", "noncompete*", "non solicit*", "restrictive covenant*"],
        &["compete", "noncompete*", "solicit*", "covenant*"],
    ),
    (&["clearance", "clearances"], &["clearance", "clearances"]),
    (
        &["18 years", "over 18", "at least 18", "legal age", "years of age", "how old", "age", "birth*", "born", "dob"],
        &["birth*", "born", "dob", "age", "18"],
    ),
    (
        &["driver*", "driving licence*", "driving license*"],
        &["driver license*", "driver s license*", "drivers license*", "driving license*", "driving licence*"],
    ),
    (
        &["gender*", "sex", "geschlecht*", "sexe", "género", "genere", "geslacht", "transgender*"],
        &["gender*", "sex"],
    ),
    (&["pronoun*"], &["pronoun*"]),
    (&["race", "racial*", "ethnic*"], &["race", "ethnic*"]),
    (&["hispanic*", "latino*", "latina*", "latinx"], &["hispanic*", "latin", "latino*", "latina*", "latinx", "ethnic*", "race"]),
    (&["veteran*"], &["veteran*"]),
    (&["disability", "disabilities", "disabled", "schwerbehind*"], &["disability", "disabilities", "disabled"]),
    (&["sexual orientation", "lgbt*"], &["orientation", "lgbt*"]),
];

/// Whether a fact about `about` is a fact about what a weighty question asks.
pub fn supports(about: &str, field: &Field) -> bool {
    let (about, asked) = (words::plain(about), words::plain(&format!("{} {}", field.question, field.help)));
    let same = FAMILIES.iter().any(|(question, fact)| holds_any(&asked, question) && holds_any(&about, fact));
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

    #[test]
    fn a_word_inside_another_one_is_another_word() {
        let field = |text: &str| test_field(Kind::Text, text);
        #[rustfmt::skip]
        let other = [
            "Languages", "Language level", "Manager", "Agency", "Message to the hiring manager", "Page", "Average grade",
            "Essex", "Sextant skills", "Racecar experience", "Embrace change", "Trace", "Visage", "Relatively new tools",
            "Pinterest", "Spinning", "Tokenization", "Secretary", "Bankside", "Ibanez", "Opinion", "Mastership",
            "Tribeca", "Latinum", "Castellan", "Dobson Ltd", "Bornholm",
        ];
        for text in other {
            assert!(!is_sensitive(&field(text)), "{text}");
            assert!(!is_weighty(text) && !stays_home(&words::plain(text)), "{text}");
        }
        for (about, question) in [
            ("languages", "What is your age?"),
            ("manager", "How old are you?"),
            ("essex office", "Sex"),
            ("embrace change", "Race"),
            ("drugstore", "Will you take a drug test?"),
        ] {
            assert!(!supports(about, &field(question)), "{about}: {question}");
        }
        for text in ["Age", "Your age?", "Sex", "Race / ethnicity", "What is your SSN?", "PIN", "Citizenship"]
        {
            assert!(is_sensitive(&field(text)), "{text}");
        }
        let named = Field { name: "applicant[socialSecurityNumber]".into(), ..field("Number") };
        assert!(is_sensitive(&named), "a secret by its name");
    }
}
