//! Turns a fact into the answer a field takes: words, one of its options, a tick, a date.
//!
//! An option fits by its normalised label or value, by being the same country or state, or by meaning plainly yes or
//! no. Anything looser is not decided here.

use super::{Answer, phrases, places};
use crate::form::{Choice, Field, Kind, words};

/// From this many options on, a list that opens may show only a part of them.
const LONG: usize = 15;

/// The answer to `field` that says `value`, if the field can say it.
pub fn fit(field: &Field, value: &str) -> Option<Answer> {
    let value = value.trim();
    if !field.part.is_empty() {
        return part_of_date(field, value);
    }
    match field.kind {
        Kind::File | Kind::Password => None,
        Kind::Checkbox => yes_or_no(value).map(Answer::Tick),
        kind if kind.is_multiple() => {
            let parts: Vec<&str> =
                value.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
            if let Some(one) = option(&field.options, value) {
                return Some(Answer::Options(vec![one]));
            }
            let found: Vec<usize> = parts.iter().filter_map(|part| option(&field.options, part)).collect();
            (!found.is_empty() && found.len() == parts.len()).then_some(Answer::Options(found))
        }
        kind if kind.is_closed() => option(&field.options, value).map(|at| Answer::Options(vec![at])),
        Kind::Combobox if several(field, value).is_some() => several(field, value).map(Answer::Several),
        Kind::Combobox => match option(&field.options, value) {
            Some(at) => Some(Answer::Options(vec![at])),
            // A short list is all there is; a long one, or none, may hold more once something is typed.
            None if (1..LONG).contains(&field.options.len()) => None,
            None => Some(Answer::Text(value.to_owned())),
        },
        Kind::Number | Kind::Range => number(value).map(Answer::Text),
        Kind::Date | Kind::Calendar => date(value).map(Answer::Text),
        Kind::Month => date(value).map(|day| Answer::Text(day[..7].to_owned())),
        Kind::Week | Kind::Time | Kind::DateTime => None,
        _ => Some(Answer::Text(cut(value, field.max_length))),
    }
}

/// The parts of a list, where the field is one that takes several.
fn several(field: &Field, value: &str) -> Option<Vec<String>> {
    let asked = words::plain(&field.question);
    let plural = ["skills", "languages", "technologies", "tools", "kenntnisse", "sprachen"];
    let many = field.multiple || asked.split(' ').any(|word| plural.contains(&word));
    let parts: Vec<String> =
        value.split([',', ';']).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect();
    (many && parts.len() > 1 && option(&field.options, value).is_none()).then_some(parts)
}

/// The month, day or year of a date, as a part of a split date takes it.
fn part_of_date(field: &Field, value: &str) -> Option<Answer> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let day = date(value).or_else(|| date(&format!("{value}-01")))?;
    let text = match field.part.as_str() {
        "year" => &day[..4],
        "month" => &day[5..7],
        "day" if value.len() > 7 => &day[8..],
        _ => return None,
    };
    if field.options.is_empty() {
        return (!field.kind.is_closed()).then(|| Answer::Text(text.to_owned()));
    }
    let number: usize = text.parse().ok()?;
    let is = |label: &str| {
        let label = words::plain(label);
        let name = MONTHS.get(number.wrapping_sub(1)).filter(|_| field.part == "month");
        label.parse() == Ok(number) || name.is_some_and(|name| label == *name || label == name[..3])
    };
    let found = field.options.iter().position(|it| !it.blank && is(&it.label))?;
    Some(Answer::Options(vec![found]))
}

/// What is the same in other words, in the languages forms are written in.
const SYNONYMS: &[&[&str]] = &[
    &[
        "female", "woman", "f", "weiblich", "frau", "femme", "mujer", "femenino", "donna", "femmina",
        "vrouw", "kobieta", "kvinna", "feminino",
    ],
    &["male", "man", "m", "männlich", "mann", "homme", "hombre", "masculino", "uomo", "maschio", "mężczyzna"],
    &["non binary", "nonbinary", "divers", "non binaire", "no binario"],
    &[
        "no i do not have a disability",
        "no i do not have a disability and have not had one in the past",
        "no i dont have a disability",
    ],
    &[
        "i am not a protected veteran",
        "i am not a veteran",
        "not a veteran",
        "no i am not a protected veteran",
    ],
];

/// Whether a number lies in the range an option names: `3-5`, `More than 10`, `10+`, `Less than 1`.
fn holds(label: &str, number: f64) -> bool {
    let plain = words::plain(label);
    let numbers: Vec<f64> =
        label.split(|it: char| !it.is_ascii_digit() && it != '.').filter_map(|it| it.parse().ok()).collect();
    let says = |words: &[&str]| phrases::holds_any(&plain, words);
    match numbers[..] {
        [low, high] => low <= number && number <= high,
        [least] if label.contains('+') || says(&["or more", "at least", "und mehr"]) => number >= least,
        [least] if says(&["more than", "over", "mehr als", "above"]) => number > least,
        [most] if says(&["less than", "under", "weniger als", "below", "fewer than"]) => number < most,
        _ => false,
    }
}

/// The option that says `value`.
pub fn option(options: &[Choice], value: &str) -> Option<usize> {
    let wanted = words::plain(value);
    let open = |at: &usize| !options[*at].blank;
    let one = |found: Vec<usize>| (found.len() == 1).then(|| found[0]);
    let find = |test: &dyn Fn(&Choice) -> bool| -> Vec<usize> {
        (0..options.len()).filter(open).filter(|at| test(&options[*at])).collect()
    };
    if wanted.is_empty() {
        return None;
    }
    if let Some(at) = find(&|it| words::plain(&it.label) == wanted).first() {
        return Some(*at);
    }
    if let Some(at) =
        one(find(&|it| !it.value.is_empty() && it.value != "on" && words::plain(&it.value) == wanted))
    {
        return Some(at);
    }
    let meant = places::of(value);
    if !meant.is_empty() {
        let shown = |it: &Choice| {
            Some(places::of(&it.label)).filter(|it| !it.is_empty()).unwrap_or_else(|| places::of(&it.value))
        };
        if let Some(at) = one(find(&|it| shown(it).iter().any(|place| meant.contains(place)))) {
            return Some(at);
        }
    }
    if let Some(at) = one(find(&|it| it.label.contains(',') && places::is_in(value, &it.label))) {
        return Some(at);
    }
    let same = |it: &Choice| {
        let label = words::plain(&it.label);
        SYNONYMS.iter().any(|set| set.contains(&wanted.as_str()) && set.contains(&label.as_str()))
    };
    if let Some(at) = one(find(&same)) {
        return Some(at);
    }
    if let Ok(number) = value.parse::<f64>()
        && let Some(at) = one(find(&|it| holds(&it.label, number)))
    {
        return Some(at);
    }
    let sign = yes_or_no(value)?;
    one(find(&|it| option_sign(&it.label) == Some(sign)))
}

/// Whether a text is plainly yes or no.
pub fn yes_or_no(text: &str) -> Option<bool> {
    const YES: &[&str] = &[
        "yes", "true", "y", "1", "on", "ja", "oui", "sí", "si", "sì", "tak", "sim", "kyllä", "ano", "да",
        "はい", "是", "예", "네",
    ];
    const NO: &[&str] = &[
        "no",
        "false",
        "n",
        "0",
        "off",
        "nein",
        "non",
        "nee",
        "nie",
        "não",
        "nej",
        "nei",
        "ei",
        "ne",
        "нет",
        "いいえ",
        "否",
        "아니요",
    ];
    let text = words::plain(text);
    if YES.contains(&text.as_str()) {
        return Some(true);
    }
    NO.contains(&text.as_str()).then_some(false)
}

/// Whether an option says yes or no: by itself, or as its first word ("Yes, I am authorised").
pub fn option_sign(label: &str) -> Option<bool> {
    yes_or_no(label).or_else(|| {
        let first = label.split([',', '.', '-', '–', '—', ':', ';']).next()?;
        yes_or_no(first).or_else(|| {
            yes_or_no(label.split_whitespace().next()?).filter(|_| {
                words::plain(label).starts_with("yes i") || words::plain(label).starts_with("no i")
            })
        })
    })
}

/// The first number in a text, thousands separators removed.
fn number(value: &str) -> Option<String> {
    let start = value.find(|it: char| it.is_ascii_digit())?;
    let run: String =
        value[start..].chars().take_while(|it| it.is_ascii_digit() || matches!(it, ',' | '.')).collect();
    let run = run.trim_end_matches([',', '.']);
    let thousands =
        |separator: char| run.split(separator).skip(1).all(|part| part.len() == 3) && run.contains(separator);
    Some(if thousands(',') {
        run.replace(',', "")
    } else if thousands('.') {
        run.replace('.', "")
    } else {
        run.replace(',', ".")
    })
}

/// A day as `YYYY-MM-DD`, from ISO or from the orders that cannot be misread.
pub fn date(value: &str) -> Option<String> {
    if let Ok(day) = chrono::NaiveDate::parse_from_str(value.get(..10).unwrap_or(value), "%Y-%m-%d") {
        return Some(day.to_string());
    }
    ["%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%Y/%m/%d"]
        .iter()
        .find_map(|form| chrono::NaiveDate::parse_from_str(value, form).ok())
        .map(|day| day.to_string())
}

/// A day in the order a text field's placeholder asks for: `MM/DD/YYYY`, `TT.MM.JJJJ`, …
pub fn date_like(value: &str, placeholder: &str) -> Option<String> {
    let day = chrono::NaiveDate::parse_from_str(&date(value)?, "%Y-%m-%d").ok()?;
    let mut form = String::new();
    let lower = placeholder.trim().to_lowercase();
    let (mut rest, mut parts) = (lower.as_str(), 0);
    while let Some(letter) = rest.chars().next() {
        let run = rest.chars().take_while(|it| *it == letter).count() * letter.len_utf8();
        match letter {
            'd' | 't' | 'j' if run <= 2 => form.push_str("%d"),
            'm' => form.push_str("%m"),
            'y' | 'j' | 'a' if run >= 2 => form.push_str(if run >= 4 { "%Y" } else { "%y" }),
            '/' | '.' | '-' | ' ' => form.push(letter),
            _ => return None,
        }
        parts += usize::from(letter.is_alphabetic());
        rest = &rest[run..];
    }
    (parts >= 2).then(|| day.format(&form).to_string())
}

fn cut(value: &str, limit: Option<usize>) -> String {
    value.chars().take(limit.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{test_choices, test_field};

    #[test]
    fn countries_and_states_are_met_under_all_their_names() {
        let options =
            test_choices(&["Select…", "Germany", "United States of America (USA)", "United Kingdom"]);
        for name in ["US", "USA", "United States", "united states of america"] {
            assert_eq!(option(&options, name), Some(2), "{name}");
        }
        assert_eq!(option(&options, "Deutschland"), Some(1));
        assert_eq!(option(&test_choices(&["Alabama", "California"]), "CA"), Some(1));
    }

    #[test]
    fn yes_fits_a_longer_yes_only_when_it_is_the_only_one() {
        let options = test_choices(&["Yes, I am authorized", "No, I am not"]);
        assert_eq!(option(&options, "Yes"), Some(0));
        assert_eq!(option(&options, "No"), Some(1));
        assert_eq!(option(&test_choices(&["Yes, now", "Yes, later", "No"]), "yes"), None);
        assert_eq!(option(&test_choices(&["Norway", "Nothing"]), "No"), None);
    }

    #[test]
    fn an_option_that_is_not_offered_is_not_chosen() {
        assert_eq!(option(&test_choices(&["Berlin", "Munich"]), "Hamburg"), None);
        assert_eq!(fit(&test_field(Kind::Radio, "?"), "Hamburg"), None);
    }

    #[test]
    fn dates_follow_the_placeholder() {
        assert_eq!(date("01.02.2026").as_deref(), Some("2026-02-01"));
        assert_eq!(date("01/02/2026"), None, "the order is not known");
        assert_eq!(date_like("2026-02-01", "MM/DD/YYYY").as_deref(), Some("02/01/2026"));
        assert_eq!(date_like("2026-02-01", "TT.MM.JJJJ").as_deref(), Some("01.02.2026"));
        assert_eq!(date_like("2026-02-01", "When?"), None);
    }

    #[test]
    fn numbers_lose_their_currency_and_separators() {
        assert_eq!(number("$120,000 per year").as_deref(), Some("120000"));
        assert_eq!(number("5+ years").as_deref(), Some("5"));
        assert_eq!(number("3.5").as_deref(), Some("3.5"));
        assert_eq!(number("negotiable"), None);
    }
}
