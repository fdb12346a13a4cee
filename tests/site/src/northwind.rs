//! Northwind Traders: one classic form on one page, posted as multipart.

use std::sync::Arc;

use axum::extract::{Multipart, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use crate::book::{Book, Brand, Submission, Upload, now};
use crate::form::{Field, Fields, Kind, Problems, draw, judge};
use crate::gate;
use crate::page::{escape, page};
use crate::trouble::Trouble;

const COUNTRIES: &[(&str, &str)] = &[
    ("CA", "Canada"),
    ("DE", "Germany"),
    ("ES", "Spain"),
    ("GB", "United Kingdom"),
    ("IE", "Ireland"),
    ("NL", "Netherlands"),
    ("US", "United States"),
];

const SOURCES: &[(&str, &str)] = &[
    ("careers_page", "Northwind careers page"),
    ("job_board", "Job board"),
    ("linkedin", "LinkedIn"),
    ("referral", "A friend or colleague"),
    ("other", "Other"),
];

const FORM: &[Field] = &[
    Field { name: "first_name", label: "First name", kind: Kind::Text, required: true },
    Field { name: "last_name", label: "Last name", kind: Kind::Text, required: true },
    Field { name: "email", label: "Email", kind: Kind::Email, required: true },
    Field { name: "phone", label: "Phone", kind: Kind::Tel, required: true },
    Field { name: "linkedin", label: "LinkedIn profile", kind: Kind::Url, required: false },
    Field { name: "resume", label: "Résumé", kind: Kind::File, required: true },
    Field { name: "country", label: "Country", kind: Kind::Choice(COUNTRIES), required: true },
    Field {
        name: "authorized",
        label: "Are you legally authorized to work in this country?",
        kind: Kind::YesNo,
        required: true,
    },
    Field {
        name: "sponsorship",
        label: "Will you now or in the future require visa sponsorship?",
        kind: Kind::YesNo,
        required: true,
    },
    Field { name: "start_date", label: "Earliest start date", kind: Kind::Date, required: true },
    Field {
        name: "source",
        label: "How did you hear about us?",
        kind: Kind::Choice(SOURCES),
        required: true,
    },
    Field { name: "cover_letter", label: "Cover letter", kind: Kind::Long, required: false },
    Field {
        name: "consent",
        label: "I agree that Northwind stores my application for twelve months.",
        kind: Kind::Consent,
        required: true,
    },
];

/// The empty form.
pub(crate) async fn show(
    State(book): State<Arc<Book>>,
    RawQuery(query): RawQuery,
    Query(trouble): Query<Trouble>,
    headers: HeaderMap,
) -> Response {
    if let Some(question) = gate::ask(&trouble, &headers, query.as_deref()) {
        return question;
    }
    book.visit(Brand::Northwind, trouble.reference.clone());
    trouble.slow().await;
    form_page(query.as_deref(), &Fields::new(), &Problems::new())
}

/// Takes an application: 303 to the confirmation, or the form again with 422 and what is wrong.
pub(crate) async fn submit(
    State(book): State<Arc<Book>>,
    RawQuery(query): RawQuery,
    Query(trouble): Query<Trouble>,
    body: Multipart,
) -> Response {
    let (fields, files) = match read(body).await {
        Ok(parts) => parts,
        Err(refusal) => return refusal,
    };
    let problems = judge(FORM, &fields, &files);
    let written = book.write(Submission {
        number: 0,
        received_at: now(),
        brand: Brand::Northwind,
        reference: trouble.reference.clone(),
        accepted: problems.is_empty(),
        problems,
        fields,
        files,
    });
    if trouble.answer(&book, written.number).await {
        return (StatusCode::BAD_GATEWAY, "upstream connect error").into_response();
    }
    if written.accepted {
        return Redirect::to(&format!("/northwind/thanks?application=NW-{:05}", written.number))
            .into_response();
    }
    let again = form_page(query.as_deref(), &written.fields, &written.problems);
    (StatusCode::UNPROCESSABLE_ENTITY, again).into_response()
}

/// The confirmation page.
pub(crate) async fn thanks() -> Response {
    page(
        "northwind",
        "Application received – Northwind Traders",
        "<header><strong>Northwind Traders</strong><span>Careers</span></header>\n<main><div class=\"done\">\
         <div class=\"mark\" aria-hidden=\"true\">✓</div><h1>Thank you for applying</h1>\
         <p>Your application has been received. We will be in touch by email.</p></div></main>",
    )
}

async fn read(mut body: Multipart) -> Result<(Fields, Vec<Upload>), Response> {
    let (mut fields, mut files) = (Fields::new(), Vec::new());
    while let Some(part) = body.next_field().await.map_err(IntoResponse::into_response)? {
        let name = part.name().unwrap_or_default().to_owned();
        if let Some(file) = part.file_name().map(ToOwned::to_owned) {
            let content = part.bytes().await.map_err(IntoResponse::into_response)?;
            if !file.is_empty() {
                files.push(Upload::of(&name, &file, &content));
            }
        } else {
            fields.insert(name, part.text().await.map_err(IntoResponse::into_response)?);
        }
    }
    Ok((fields, files))
}

fn form_page(query: Option<&str>, fields: &Fields, problems: &Problems) -> Response {
    let notice = if problems.is_empty() {
        String::new()
    } else {
        let lines = FORM
            .iter()
            .filter_map(|field| problems.get(field.name))
            .fold(String::new(), |lines, text| lines + "<li>" + &escape(text) + "</li>");
        format!("<div class=\"notice\" role=\"alert\">Please correct the following:<ul>{lines}</ul></div>")
    };
    let action = escape(
        &query.map_or_else(|| "/northwind/apply".to_owned(), |query| format!("/northwind/apply?{query}")),
    );
    let questions = draw(FORM, fields, problems);
    page(
        "northwind",
        "Platform Engineer – Northwind Traders",
        &format!(
            "<header><strong>Northwind Traders</strong><span>Careers</span></header>\n<main>\n\
             <h1>Platform Engineer</h1>\n<p class=\"lead\">Logistics Systems · Remote or Dublin · Full time</p>\n{notice}\n\
             <form method=\"post\" enctype=\"multipart/form-data\" action=\"{action}\" aria-label=\"Application\">\n{questions}\
             <div class=\"actions\"><button type=\"submit\">Submit application</button></div>\n</form>\n</main>"
        ),
    )
}
