//! Whole words and phrases in text: "age" is not in "languages", nor "refer" in "preferred".

use crate::form::words;

/// Whether a text in its normal form ([`words::plain`]) holds the phrase as whole words.
///
/// A phrase that ends in `*` may go on inside its last word: `disabilit*`; one that begins with it may begin inside its
/// first, as in German compounds. Scripts that put no spaces between words have no word ends to keep to.
pub fn holds(plain: &str, phrase: &str) -> bool {
    if phrase.chars().any(|letter| letter as u32 >= 0x2E80) {
        return plain.contains(phrase);
    }
    let (phrase, open) = phrase.strip_suffix('*').map_or((phrase, false), |stem| (stem, true));
    let (phrase, inside) = phrase.strip_prefix('*').map_or((phrase, false), |stem| (stem, true));
    plain.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&plain[..at], &plain[at + phrase.len()..]);
        let begins = inside || before.is_empty() || before.ends_with(' ');
        begins && (open || after.is_empty() || after.starts_with(' '))
    })
}

/// Whether it holds any of them.
pub fn holds_any(plain: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| holds(plain, phrase))
}

/// The words of a key or a control's name: `socialSecurityNumber`, `social_security-number` and `applicant[ssn2]` apart.
pub fn of_key(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let mut spaced = String::with_capacity(key.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        let starts = before.is_some_and(|before| {
            (letter.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()))
                || (letter.is_uppercase()
                    && before.is_uppercase()
                    && after.is_some_and(|after| after.is_lowercase()))
                || (before.is_ascii_digit() != letter.is_ascii_digit() && before.is_alphanumeric())
        });
        if starts {
            spaced.push(' ');
        }
        spaced.push(*letter);
    }
    words::plain(&spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_as_whole_words_only() {
        for (text, phrase) in [
            ("your age", "age"),
            ("age", "age"),
            ("are you disabled or not", "disabled"),
            ("citizenship", "citizen*"),
            ("a social security number", "social security"),
            ("bewerberdatenschutzhinweise", "*datenschutz*"),
            ("性別を選択", "性別"),
        ] {
            assert!(holds(text, phrase), "{phrase} in {text}");
        }
        for (text, phrase) in [
            ("languages", "age"),
            ("message to the manager", "age"),
            ("agency", "age"),
            ("preferred e mail", "refer*"),
            ("essex", "sex"),
            ("texts ok", "ext"),
            ("inaccurate", "accurate"),
            ("embrace", "race"),
            ("meine bewerbung", "werbung*"),
        ] {
            assert!(!holds(text, phrase), "{phrase} in {text}");
        }
        assert!(holds("the manager s age", "age"), "also where it stands inside another word before");
        assert!(holds("languages and age", "age"));
    }

    #[test]
    fn the_words_of_a_key_are_found_however_it_is_written() {
        for (key, words) in [
            ("socialSecurityNumber", "social security number"),
            ("SSN", "ssn"),
            ("applicant[date_of-birth]", "applicant date of birth"),
            ("linkedInURL", "linked in url"),
            ("HTTPPassword2", "http password 2"),
            ("address1", "address 1"),
            ("businessName", "business name"),
        ] {
            assert_eq!(of_key(key), words);
        }
    }
}
