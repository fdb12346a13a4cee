//! Comma-separated values as spreadsheets read them (RFC 4180), safe to be opened by one.

/// Writes one row. A field a spreadsheet would run as a formula gets an apostrophe before it; a number stays a number.
pub fn row<'a>(out: &mut Vec<u8>, fields: impl IntoIterator<Item = Option<&'a str>>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let field = field.unwrap_or_default();
        let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(field);
        let quote = is_formula || field.contains(['"', ',', '\n', '\r', ';', '\t']) || field.trim() != field;
        if quote {
            out.push(b'"');
        }
        if is_formula {
            out.push(b'\'');
        }
        for byte in field.bytes() {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        if quote {
            out.push(b'"');
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether it is digits with at most one sign and one point.
fn is_number(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::row;

    fn line(fields: &[Option<&str>]) -> String {
        let mut out = Vec::new();
        row(&mut out, fields.iter().copied());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_field_that_would_be_a_formula_is_text() {
        assert_eq!(
            line(&[Some("=1+1"), Some("@x"), Some("-2+3"), Some("+49")]),
            "\"'=1+1\",\"'@x\",\"'-2+3\",\"'+49\"\r\n"
        );
    }

    #[test]
    fn a_number_stays_a_number_also_below_zero() {
        assert_eq!(line(&[Some("-0.0012"), Some("12"), None, Some("-")]), "-0.0012,12,,\"'-\"\r\n");
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_within_their_field() {
        assert_eq!(line(&[Some("a\"b,c\nd"), Some("größe")]), "\"a\"\"b,c\nd\",größe\r\n");
    }
}
