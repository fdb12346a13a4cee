//! How a page wants an answer written: `###,### USD`, `(###) ###-####`, `MM/DD/YYYY`. Nothing of the answer is in it.
//!
//! A format comes from an answer and the writing of it that a page took. Every digit is a `#`; where the writing holds all
//! letters of the answer too, each is an `@`. What it leaves out of an answer (the "weeks" of "4 weeks") belongs to the outline of
//! the answers it is for, and what it adds is punctuation or stands in an example on the page: a currency is never guessed.

use super::fit;
use crate::form::Field;

const DIGIT: char = '#';
const LETTER: char = '@';
/// What a format may add by itself.
const PUNCTUATION: &str = " \u{a0},.'’-/():+";
/// What ends an example on a page.
const EDGES: &str = ".;:!()\"'“”«»";
/// The longest format kept, in characters: longer than any number, code or day is written.
const LONGEST: usize = 40;
/// The longest code of a country before a telephone number, in digits.
const COUNTRY: usize = 3;
/// The orders in which days are written; `?` is what separates their parts.
const DAYS: [&str; 6] = ["MM?DD?YYYY", "DD?MM?YYYY", "YYYY?MM?DD", "MM?DD?YY", "DD?MM?YY", "YY?MM?DD"];

/// The format by which `plain` became `written`; none when it is another answer, or could have become so in two ways.
pub fn of(plain: &str, written: &str, field: &Field) -> Option<String> {
    if plain == written || written.chars().count() > LONGEST || written.contains([DIGIT, LETTER]) {
        return None;
    }
    let format = if fit::date(plain).is_some() { of_day(plain, written) } else { of_digits(plain, written) }?;
    let added = |it: char| it != DIGIT && it != LETTER && !PUNCTUATION.contains(it);
    let shown = || {
        [&field.error, &field.help, &field.placeholder, &field.question].iter().any(|it| shows(it, &format))
    };
    let known = is_of_day(&format) || !format.chars().any(added) || shown();
    (known && pour(&format, plain).as_deref() == Some(written)).then_some(format)
}

/// What answers must look like for a format: their text, with a place holder for each character that the format takes.
pub fn outline(format: &str, plain: &str) -> Option<String> {
    if is_of_day(format) {
        return fit::date(plain).map(|_| "a day".to_owned());
    }
    let letters = format.contains(LETTER);
    let mut left_out = count(plain, DIGIT).checked_sub(count(format, DIGIT))?;
    // Of the digits only the code of a country may be left out; it belongs to the outline.
    let fits = left_out == 0 || (plain.starts_with('+') && left_out <= COUNTRY && !letters);
    let hold = |it: char| match place(it) {
        Some(DIGIT) if left_out > 0 => {
            left_out -= 1;
            it
        }
        Some(LETTER) if !letters => it,
        place => place.unwrap_or(it),
    };
    let outline: String = plain.chars().map(hold).collect();
    let whole = !letters || count(plain, LETTER) == count(format, LETTER);
    (fits && whole && format.contains(DIGIT)).then_some(outline)
}

/// An answer written in a format; none when it has not what the format takes.
pub fn pour(format: &str, plain: &str) -> Option<String> {
    if is_of_day(format) {
        return fit::date_like(plain, format);
    }
    outline(format, plain)?;
    let letters = format.contains(LETTER);
    let taken = |it: &char| place(*it).is_some_and(|place| place == DIGIT || letters);
    let all: Vec<char> = plain.chars().filter(taken).collect();
    let places = format.chars().filter(|it| matches!(*it, DIGIT | LETTER)).count();
    let mut rest = all.get(all.len().checked_sub(places)?..)?.iter();
    let next = |it: char| {
        if matches!(it, DIGIT | LETTER) {
            rest.next().filter(|next| place(**next) == Some(it)).copied()
        } else {
            Some(it)
        }
    };
    format.chars().map(next).collect()
}

fn of_day(plain: &str, written: &str) -> Option<String> {
    let separator: String = written.chars().find(|it| !it.is_ascii_digit()).into_iter().collect();
    let forms = DAYS.map(|form| form.replace('?', &separator));
    let mut fitting = forms.iter().filter(|form| fit::date_like(plain, form).as_deref() == Some(written));
    // On the fourth of April it cannot be seen which of the two numbers is the month.
    fitting.next().filter(|_| fitting.next().is_none()).cloned()
}

fn of_digits(plain: &str, written: &str) -> Option<String> {
    let characters = |text: &str| text.chars().filter(|it| place(*it).is_some()).collect::<String>();
    let whole = characters(plain) == characters(written);
    let hold = |it: char| place(it).filter(|place| *place == DIGIT || whole).unwrap_or(it);
    Some(written.chars().map(hold).collect()).filter(|format: &String| format.contains(DIGIT))
}

/// Whether a format is one of days; all others have digits.
fn is_of_day(format: &str) -> bool {
    !format.is_empty() && !format.contains(DIGIT)
}

/// The place holder for a character; none for what is no digit and no letter.
fn place(it: char) -> Option<char> {
    if it.is_ascii_digit() { Some(DIGIT) } else { it.is_alphabetic().then_some(LETTER) }
}

/// How many characters of a text have this place holder, or are it.
fn count(text: &str, holder: char) -> usize {
    text.chars().filter(|it| *it == holder || place(*it) == Some(holder)).count()
}

/// Whether a text of the page shows just one example, and that in this format.
fn shows(text: &str, format: &str) -> bool {
    let (text, format) = (squeezed(text), squeezed(format));
    let Some((before, after)) = text.split_once(&format) else { return false };
    let is_edge = |it: Option<char>| it.is_none_or(|it| EDGES.contains(it));
    let begins = format.starts_with(DIGIT) || is_edge(before.trim_end().chars().next_back());
    begins && is_edge(after.trim_start().chars().next()) && text.matches(DIGIT).count() == 1
}

/// A text with one `#` for each of its numbers, however long they are and whatever separates their thousands.
fn squeezed(text: &str) -> String {
    let letters: Vec<char> = text.chars().map(|it| if it.is_ascii_digit() { DIGIT } else { it }).collect();
    let is_digit = |at: Option<usize>| at.and_then(|at| letters.get(at)) == Some(&DIGIT);
    let stays = |at: &usize| match letters[*at] {
        DIGIT => {
            let goes_on = is_digit(at.checked_sub(2)) && is_between(letters[at - 1]);
            !goes_on && !is_digit(at.checked_sub(1))
        }
        it => !(is_between(it) && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))),
    };
    (0..letters.len()).filter(stays).map(|at| letters[at]).collect()
}

/// Whether a character stands between the digits of one number.
const fn is_between(it: char) -> bool {
    matches!(it, ',' | '.' | '\'' | '’' | '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::test_field;
    use crate::form::Kind;

    fn on(error: &str) -> Field {
        Field { error: error.into(), ..test_field(Kind::Text, "Amount") }
    }

    /// The answer written as another was, where a manual that learned it from that one may do so.
    fn again(format: &str, learned_from: &str, plain: &str) -> Option<String> {
        (outline(format, plain)? == outline(format, learned_from)?).then(|| pour(format, plain)).flatten()
    }

    #[test]
    fn a_format_writes_another_answer_of_the_same_outline_the_same_way() {
        for (plain, written, format, other, expected) in [
            ("120000", "120,000", "###,###", "985001", "985,001"),
            ("5125550142", "(512) 555-0142", "(###) ###-####", "4155550199", "(415) 555-0199"),
            ("+1 512 555 0142", "(512) 555-0142", "(###) ###-####", "+1 415 555 0199", "(415) 555-0199"),
            ("+15125550142", "512-555-0142", "###-###-####", "+14155550199", "415-555-0199"),
            ("4 weeks", "4", "#", "6 weeks", "6"),
            ("K1A0B1", "K1A 0B1", "@#@ #@#", "M5V2T6", "M5V 2T6"),
            ("2027-01-04", "01/04/2027", "MM/DD/YYYY", "2028-03-03", "03/03/2028"),
            ("2027-01-04", "04.01.27", "DD.MM.YY", "2028-11-30", "30.11.28"),
            ("2027-01-14", "01142027", "MMDDYYYY", "2028-11-30", "11302028"),
        ] {
            let learned = of(plain, written, &on(""));
            assert_eq!(learned.as_deref(), Some(format), "{plain}");
            assert_eq!(again(format, plain, other).as_deref(), Some(expected), "{other}");
        }
    }

    #[test]
    fn an_answer_of_another_outline_is_not_poured() {
        for (format, learned_from, other) in [
            ("###,###", "120000", "95000"),
            ("#", "4 weeks", "2 months"),
            ("#", "4 weeks", "12 weeks"),
            ("#", "4 weeks", "4"),
            ("(###) ###-####", "+1 512 555 0142", "+49 151 2345678"),
            ("(###) ###-####", "+15125550142", "+33612345678"),
            ("(###) ###-####", "5125550142", "15125550142"),
            ("@#@ #@#", "K1A0B1", "SW1A1A"),
            ("MM/DD/YYYY", "2027-01-04", "as soon as possible"),
        ] {
            assert_eq!(again(format, learned_from, other), None, "{other}");
        }
    }

    #[test]
    fn another_answer_is_no_format() {
        for (plain, written) in [
            ("4 weeks", "5"),
            ("4 weeks", "28 days"),
            ("120000", "000120"),
            ("120000", "12000"),
            ("120000", "120000"),
            ("120000", "about 120000"),
            ("2027-01-04", "01/05/2027"),
            ("2027-04-04", "04/04/2027"),
            ("512 555 0142", "555 0142"),
            ("Ada Lovelace", "Lovelace, Ada"),
            ("Ada Lovelace", "Ada-Lovelace"),
            ("4", "#4"),
        ] {
            assert_eq!(of(plain, written, &on("")), None, "{plain} -> {written}");
        }
    }

    #[test]
    fn what_a_format_adds_in_words_stands_in_the_only_example_of_the_page() {
        for said in ["Enter the amount like 95,000 USD", "(e.g. 5000 USD)", "95.000 USD."] {
            let format = of("120000", "120,000 USD", &on(said));
            assert_eq!(format.as_deref(), Some("###,### USD"), "{said}");
        }
        let before = of("120000", "USD 120,000", &on("Format: USD 95,000"));
        assert_eq!(before.as_deref(), Some("USD ###,###"));
        for said in [
            "",
            "In USD please",
            "Enter the amount like 95,000 USD or EUR",
            "Enter 95,000 USD or 95,000 EUR",
            "Enter 95,000 USD/EUR",
        ] {
            assert_eq!(of("120000", "120,000 USD", &on(said)), None, "{said}");
        }
        for said in ["Enter EUR or USD 95,000", "EUR/USD 95,000"] {
            assert_eq!(of("120000", "USD 120,000", &on(said)), None, "{said}");
        }
        assert_eq!(of("120000", "$120,000", &on("Enter a number")), None, "a sign is a currency too");
        assert_eq!(of("120000", "$120,000", &on("Like this: $95,000")).as_deref(), Some("$###,###"));
    }

    #[test]
    fn every_format_gives_back_what_it_came_from_and_holds_no_digit_of_it() {
        const FROM: [&str; 10] = ["+", " ", "-", "/", ".", ",", "(", "weeks", "B", "2027-01-04"];
        let (mut state, mut formats) = (0x9e37_79b9_7f4a_7c15_u64, 0);
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % limit
        };
        for _ in 0..20_000 {
            let mut some = |digits: &str| {
                let mut text = String::new();
                for digit in digits.chars() {
                    if below(3) == 0 {
                        text.push_str(FROM[below(FROM.len())]);
                    }
                    text.push(digit);
                }
                text
            };
            let plain = some("4815162342");
            let written = some("4815162342");
            if let Some(format) = of(&plain, &written, &on("")) {
                formats += 1;
                assert_eq!(pour(&format, &plain).as_deref(), Some(written.as_str()), "{format}");
                assert!(!format.contains(|it: char| it.is_ascii_digit()), "{format}");
                assert!(!format.contains("weeks"), "{format} of {plain}");
            }
        }
        assert!(formats > 500, "{formats}");
    }
}
