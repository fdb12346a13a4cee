//! Asks the site whether both applications arrived, once each and right in every field.

use site::{Brand, Handle};

use super::applicant::expected;

/// What is wrong with what the site received; empty when all is well.
pub(super) fn complaints(site: &Handle, resume: &[u8]) -> Vec<String> {
    let expected = expected();
    [(Brand::Northwind, "northwind", "rest"), (Brand::Contoso, "contoso", "insert")]
        .into_iter()
        .flat_map(|(brand, name, reference)| {
            let accepted = site.accepted(reference);
            let [post] = &accepted[..] else {
                return vec![format!("{name} received {} applications, not one", accepted.len())];
            };
            let mut complaints: Vec<String> = expected[name]
                .iter()
                .filter(|(field, value)| {
                    // A browser posts the lines of a text area with CR LF.
                    post.fields.get(*field).map(|text| text.replace("\r\n", "\n")).as_ref() != Some(value)
                })
                .map(|(field, value)| {
                    format!("{name} received {field} = {:?}, not {value:?}", post.fields.get(field))
                })
                .collect();
            if post.brand != brand || post.files.len() != 1 || post.files[0].size_bytes != resume.len() {
                complaints.push(format!("{name} did not receive the résumé as it is: {:?}", post.files));
            }
            complaints
        })
        .collect()
}
