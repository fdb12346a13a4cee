//! A one-page résumé of a person who does not exist, written as PDF by hand.

use std::fmt::Write as _;

const LINES: &[&str] = &[
    "Alex Rivera",
    "alex.rivera@example.com   +1 415 555 0134",
    "San Francisco, California, United States",
    "",
    "Platform engineer, eight years, most of them on call.",
    "2021 to today: Staff engineer, Fabrikam, Inc.",
    "2018 to 2021: Site reliability engineer, Tailspin Toys",
    "B.S. Computer Science, University of California, 2018",
];

/// The sample résumé as the bytes of a PDF file; the same bytes every time.
pub fn sample_resume() -> Vec<u8> {
    let mut text = String::from("BT /F1 14 Tf 72 760 Td 20 TL\n");
    for line in LINES {
        let _ = writeln!(text, "({line}) Tj T*");
    }
    text.push_str("ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", pdf.len());
        let _ = write!(pdf, "{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = pdf.len();
    let size = objects.len() + 1;
    let _ = write!(
        pdf,
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    pdf.into_bytes()
}
