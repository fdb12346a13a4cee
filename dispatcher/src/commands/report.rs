//! What a command has to say, for people and for programs.

use std::io::Write as _;

use serde::Serialize;
use serde_json::Value;

/// The result of a command.
pub struct Report {
    /// For programs.
    pub json: Value,
    /// For people.
    pub text: String,
    /// What the process ends with.
    pub code: u8,
}

/// The command was asked for wrongly.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

impl Report {
    /// A result with which all is well.
    pub fn new(value: &impl Serialize, text: String) -> serde_json::Result<Self> {
        Ok(Self { json: serde_json::to_value(value)?, text, code: 0 })
    }

    /// The same with another code to end with.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Writes it to standard output. A reader that went away, as `head` does, is no error.
    pub fn print(&self, json: bool) {
        let text = if json { format!("{:#}", self.json) } else { self.text.trim_end().to_owned() };
        if !text.is_empty() {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        }
    }
}

/// Columns side by side; `nothing` when there is no row.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]], nothing: &str) -> String {
    if rows.is_empty() {
        return format!("{nothing}\n");
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let body = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(line(heads)).chain(body).collect()
}

/// A length of time in the unit that fits: `34 s`, `5 min`, `3 h`, `4 d`.
pub fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A cell of something that may be absent.
pub fn or_dash(cell: Option<impl ToString>) -> String {
    cell.map_or_else(|| "-".to_owned(), |cell| cell.to_string())
}

/// At most `most` characters, on one line.
pub fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "N"], &rows, ""), "NAME    N\na       1\nlonger\n");
        assert_eq!(table::<1>(["NAME"], &[], "no machine"), "no machine\n");
    }

    #[test]
    fn spans_and_long_texts_are_short() {
        assert_eq!(
            [span(-3), span(119), span(120), span(7_200), span(200_000)],
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
        assert_eq!(short("zwölf\nSätze", 6), "zwölf …");
        assert_eq!(short("zwölf", 5), "zwölf");
    }
}
