//! The fields of a form as one table that both draws it and judges what was posted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::book::Upload;
use crate::page::escape;

/// Values by field name.
pub(crate) type Fields = BTreeMap<String, String>;
/// Error texts by field name.
pub(crate) type Problems = BTreeMap<String, String>;

/// One question.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// How a question is asked, and so what may answer it.
pub(crate) enum Kind {
    Text,
    Email,
    Tel,
    Url,
    Date,
    Long,
    File,
    /// Value and label of each choice.
    Choice(&'static [(&'static str, &'static str)]),
    YesNo,
    Consent,
}

/// Says what is wrong with a post; empty when it may be accepted.
pub(crate) fn judge(form: &[Field], fields: &Fields, files: &[Upload]) -> Problems {
    form.iter().filter_map(|field| Some((field.name.to_owned(), problem(field, fields, files)?))).collect()
}

fn problem(field: &Field, fields: &Fields, files: &[Upload]) -> Option<String> {
    if let Kind::File = field.kind {
        let missing = !files.iter().any(|file| file.field == field.name && file.size_bytes > 0);
        return (missing && field.required).then(|| required(field.label));
    }
    let value = fields.get(field.name).map_or("", |value| value.trim());
    if value.is_empty() {
        return field.required.then(|| required(field.label));
    }
    let fits = match field.kind {
        Kind::Email => {
            value.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        }
        Kind::Tel => value.chars().filter(char::is_ascii_digit).count() >= 7,
        Kind::Url => value.starts_with("https://") || value.starts_with("http://"),
        Kind::Date => chrono::NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok(),
        Kind::Choice(choices) => choices.iter().any(|(known, _)| *known == value),
        Kind::YesNo => value == "yes" || value == "no",
        Kind::Text | Kind::Long | Kind::Consent | Kind::File => true,
    };
    (!fits).then(|| format!("{}: this is not a valid answer.", field.label))
}

fn required(label: &str) -> String {
    if label.ends_with(['?', '.']) { format!("Required: {label}") } else { format!("{label} is required.") }
}

/// Draws the questions as HTML, with what was answered before and what was wrong with it.
pub(crate) fn draw(form: &[Field], fields: &Fields, problems: &Problems) -> String {
    let mut html = String::new();
    for field in form {
        let value = escape(fields.get(field.name).map_or("", String::as_str));
        html.push_str(&draw_field(field, &value, problems.get(field.name)));
    }
    html
}

fn draw_field(field: &Field, value: &str, problem: Option<&String>) -> String {
    let Field { name, label, .. } = *field;
    let required = if field.required { " required" } else { "" };
    let star = if field.required { " <span class=\"star\" aria-hidden=\"true\">*</span>" } else { "" };
    let error = problem.map_or_else(String::new, |text| {
        format!("<p class=\"error\" id=\"{name}-error\">{}</p>", escape(text))
    });
    let wrong = if problem.is_some() {
        format!(" aria-invalid=\"true\" aria-describedby=\"{name}-error\"")
    } else {
        String::new()
    };
    let control = match field.kind {
        Kind::YesNo => return draw_yes_no(field, value, star, &error),
        Kind::Consent => {
            let checked = if value.is_empty() { "" } else { " checked" };
            return format!(
                "<div class=\"field\"><label class=\"check\"><input type=\"checkbox\" name=\"{name}\" value=\"agreed\"{required}{checked}{wrong}> \
                 <span>{label}{star}</span></label>{error}</div>\n"
            );
        }
        Kind::Choice(choices) => {
            let mut options = String::from("<option value=\"\">Please select</option>");
            for (known, text) in choices {
                let selected = if *known == value { " selected" } else { "" };
                let _ = write!(options, "<option value=\"{known}\"{selected}>{}</option>", escape(text));
            }
            format!("<select id=\"{name}\" name=\"{name}\"{required}{wrong}>{options}</select>")
        }
        Kind::Long => {
            format!("<textarea id=\"{name}\" name=\"{name}\" rows=\"6\"{required}{wrong}>{value}</textarea>")
        }
        Kind::File => format!(
            "<input id=\"{name}\" name=\"{name}\" type=\"file\" accept=\".pdf,.doc,.docx,application/pdf\"{required}{wrong}>"
        ),
        Kind::Text => input("text", name, value, required, &wrong),
        Kind::Email => input("email", name, value, required, &wrong),
        Kind::Tel => input("tel", name, value, required, &wrong),
        Kind::Url => input("url", name, value, required, &wrong),
        Kind::Date => input("date", name, value, required, &wrong),
    };
    format!("<div class=\"field\"><label for=\"{name}\">{label}{star}</label>{control}{error}</div>\n")
}

fn input(kind: &str, name: &str, value: &str, required: &str, wrong: &str) -> String {
    format!("<input id=\"{name}\" name=\"{name}\" type=\"{kind}\" value=\"{value}\"{required}{wrong}>")
}

fn draw_yes_no(field: &Field, value: &str, star: &str, error: &str) -> String {
    let Field { name, label, .. } = *field;
    let required = if field.required { " required" } else { "" };
    let mut choices = String::new();
    for (known, text) in [("yes", "Yes"), ("no", "No")] {
        let checked = if known == value { " checked" } else { "" };
        let _ = write!(
            choices,
            "<label class=\"radio\"><input type=\"radio\" name=\"{name}\" value=\"{known}\"{required}{checked}> {text}</label>"
        );
    }
    format!("<fieldset class=\"field\"><legend>{label}{star}</legend>{choices}{error}</fieldset>\n")
}
