//! Does what stands in a field say what was meant?

use super::Answer;
use crate::form::{Field, Kind, words};

/// Whether `shown`, as read from the page, is the answer.
pub fn says(field: &Field, answer: &Answer, shown: &str) -> bool {
    match answer {
        Answer::Tick(on) => (shown == "true") == *on,
        Answer::File(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.is_empty() && shown.contains(name.as_ref())
        }
        Answer::Options(chosen) => {
            let wanted: Vec<String> =
                chosen.iter().filter_map(|at| field.options.get(*at)).map(|it| tidy(&it.label)).collect();
            let shown: Vec<String> = shown.split("; ").map(tidy).filter(|it| !it.is_empty()).collect();
            let same = wanted.len() == shown.len() && wanted.iter().all(|it| shown.contains(it));
            !wanted.is_empty() && (same || wanted == [shown.join("; ")])
        }
        Answer::Several(meant) => {
            let shown: Vec<String> =
                shown.split("; ").map(words::plain).filter(|it| !it.is_empty()).collect();
            !meant.is_empty()
                && meant.len() == shown.len()
                && meant.iter().all(|it| shown.contains(&words::plain(it)))
        }
        Answer::Text(text) => !is_other_option(field, text, shown) && text_says(field.kind, text, shown),
    }
}

/// Whether a list shows an option that is another one than what was meant, however alike: "United States Minor Outlying
/// Islands" holds all words of "United States".
fn is_other_option(field: &Field, meant: &str, shown: &str) -> bool {
    let offers = |text: &str| field.options.iter().any(|it| tidy(&it.label) == tidy(text));
    field.kind == Kind::Combobox && tidy(meant) != tidy(shown) && offers(meant) && offers(shown)
}

fn text_says(kind: Kind, meant: &str, shown: &str) -> bool {
    if shown.trim().is_empty() {
        return meant.trim().is_empty();
    }
    let equal = tidy(meant) == tidy(shown);
    match kind {
        Kind::Tel => equal || same_phone(meant, shown),
        Kind::Number | Kind::Range => {
            equal
                || matches!((meant.parse::<f64>(), shown.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() < f64::EPSILON)
        }
        Kind::Url => equal || bare(meant) == bare(shown),
        Kind::Calendar => equal || crate::decide::fit::date(shown).as_deref() == Some(meant),
        // What a list shows may be longer than what was looked for: "Berlin" → "Berlin, Germany".
        Kind::Combobox => {
            let (meant, shown) = (words::plain(meant), words::plain(shown));
            meant.split(' ').all(|word| shown.split(' ').any(|it| it == word))
        }
        // A mask may put separators in.
        Kind::Text => {
            equal
                || (words::squashed(meant) == words::squashed(shown)
                    && meant.chars().any(|it| it.is_ascii_digit()))
        }
        _ => equal,
    }
}

/// Equal digits; one side may lack the country code.
fn same_phone(a: &str, b: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (a, b) = (digits(a), digits(b));
    let (long, short) = if a.len() >= b.len() { (&a, &b) } else { (&b, &a) };
    short.len() >= 6 && long.ends_with(short.trim_start_matches('0')) && long.len() - short.len() <= 4
}

fn bare(url: &str) -> String {
    let lower = url.trim().to_lowercase();
    let bare = lower.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
    bare.trim_end_matches('/').to_owned()
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An answer in words, for reports.
pub fn words(field: &Field, answer: &Answer) -> String {
    match answer {
        Answer::Text(text) => text.clone(),
        Answer::Tick(on) => on.to_string(),
        Answer::Several(all) => all.join("; "),
        Answer::File(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        Answer::Options(chosen) => {
            let labels: Vec<&str> =
                chosen.iter().filter_map(|at| field.options.get(*at)).map(|it| it.label.as_str()).collect();
            labels.join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{test_choices, test_field};

    #[test]
    fn a_phone_number_may_be_shown_with_separators_or_without_its_country() {
        assert!(text_says(Kind::Tel, "+49 151 2345678", "0151 2345678"));
        assert!(text_says(Kind::Tel, "+1 415 555 0100", "(415) 555-0100"));
        assert!(!text_says(Kind::Tel, "+1 415 555 0100", "(415) 555-0101"));
    }

    #[test]
    fn a_list_that_shows_an_option_like_the_one_meant_does_not_say_it() {
        let options = test_choices(&["United States", "United States Minor Outlying Islands"]);
        let field = Field { options, ..test_field(Kind::Combobox, "Country") };
        let meant = Answer::Text("United States".into());
        assert!(says(&field, &meant, "United States"));
        assert!(
            says(&field, &meant, "United States of America"),
            "no option: how the list shows the one meant"
        );
        assert!(!says(&field, &meant, "United States Minor Outlying Islands"));
    }

    #[test]
    fn an_empty_field_never_says_anything() {
        assert!(!text_says(Kind::Combobox, "Berlin", ""));
        assert!(!text_says(Kind::Text, "Ada", " "));
        assert!(!text_says(Kind::Text, "Ada", "Adam"));
    }
}
