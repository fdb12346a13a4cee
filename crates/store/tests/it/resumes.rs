//! A user names their own résumé only, whichever way the row comes.

use domain::id::UserId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::postgres::PgDatabaseError;
use sqlx::{Connection, PgConnection};

use crate::world::World;

const INSERT: &str = "insert into gh_automation_jobs (user_id, job_type, target_url, input_data, metadata)
     values ($1, 'apply', 'https://example.com', $2, $3)";

async fn as_user(world: &World, user: UserId) -> PgConnection {
    let mut connection = PgConnection::connect(&world.database.url).await.expect("a connection");
    sqlx::query("select set_config('request.jwt.claims', $1, false)")
        .bind(json!({"sub": user}).to_string())
        .execute(&mut connection)
        .await
        .expect("claims");
    sqlx::raw_sql("set role authenticated").execute(&mut connection).await.expect("role");
    connection
}

/// Every place of a user's row that names a file, holding `key`; and the field as it is called in the refusal.
fn rows(key: &str) -> Vec<(Value, Value, &'static str)> {
    let (stored, s3, nothing) = (json!({"storage_path": key}), json!({"s3_key": key}), json!({}));
    vec![
        (json!({"resume_path": key}), nothing.clone(), "input_data.resume_path"),
        (json!({"resume_ref": stored}), nothing.clone(), "input_data.resume_ref.storage_path"),
        (nothing.clone(), json!({"resume_ref": stored}), "metadata.resume_ref.storage_path"),
        (json!({"resume_ref": s3}), nothing.clone(), "input_data.resume_ref.s3_key"),
        (nothing.clone(), json!({"resume_ref": s3}), "metadata.resume_ref.s3_key"),
        (json!({"resume_ref": key}), nothing.clone(), "input_data.resume_ref"),
        (nothing, json!({"resume_ref": key}), "metadata.resume_ref"),
    ]
}

#[tokio::test]
async fn a_user_names_no_resume_but_their_own_in_a_row_they_insert() {
    let world = World::new().await;
    let (me, you) = (UserId::new(), UserId::new());
    let mut connection = as_user(&world, me).await;
    let mut taken = Vec::new();
    for key in [
        "somebody/cv.pdf".to_owned(),
        format!("{me}/.\t./{you}/cv.pdf"),
        format!("{me}/../{you}/cv.pdf"),
        format!("{me}/.\u{200b}./{you}/cv.pdf"),
        format!("{me}/./cv.pdf"),
        format!("{me}//cv.pdf"),
        format!("{me}/%2e%2E/{you}/cv.pdf"),
        format!("{me}/%252e./{you}/cv.pdf"),
        format!("{me}/..\\{you}\\cv.pdf"),
        format!("/{me}/cv.pdf"),
        format!(" {me}/cv.pdf"),
        format!("{me}/"),
        " https://a.example/cv.pdf".to_owned(),
        "\thttp://a.example/cv.pdf".to_owned(),
    ] {
        for (input, metadata, field) in rows(&key) {
            let refused =
                sqlx::query(INSERT).bind(me.0).bind(&input).bind(&metadata).execute(&mut connection).await;
            match refused {
                Ok(_) => taken.push(format!("{field}: {key:?}")),
                Err(error) => {
                    let fault = error.as_database_error().expect("the database's");
                    assert_eq!(fault.downcast_ref::<PgDatabaseError>().column(), Some(field), "{error}");
                }
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    for key in [
        format!("{me}/cv.pdf"),
        format!("{me}/0192f0c1/My R\u{e9}sum\u{e9} (final).pdf"),
        format!("{me}/..cv..v2...pdf"),
        format!("{me}/100% me, & more.pdf"),
    ] {
        for (input, metadata, field) in rows(&key) {
            let row = sqlx::query(INSERT).bind(me.0).bind(&input).bind(&metadata);
            row.execute(&mut connection).await.unwrap_or_else(|error| panic!("{field} {key}: {error}"));
        }
    }
    for address in ["https://example.com/cv.pdf", "HTTPS://example.com/cv.pdf", "HtTp://example.com/cv.pdf"] {
        let input =
            json!({"resume_path": address, "resume_ref": {"download_url": address, "storage_path": ""}});
        let row = sqlx::query(INSERT).bind(me.0).bind(input).bind(json!({}));
        row.execute(&mut connection).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}

#[tokio::test]
async fn a_service_names_any_file_in_a_row_it_inserts() {
    let world = World::new().await;
    let me = UserId::new();
    for created_by in ["default", "'valet'"] {
        for key in ["shared/cv.pdf".to_owned(), format!("{me}/0192/My R\u{e9}sum\u{e9} (final)?.pdf")] {
            for (input, metadata, field) in rows(&key) {
                let insert = INSERT
                    .replace("(user_id,", "(created_by, user_id,")
                    .replace("($1,", &format!("({created_by}, $1,"));
                sqlx::query(sqlx::AssertSqlSafe(insert))
                    .bind(me.0)
                    .bind(input)
                    .bind(metadata)
                    .execute(&mut world.sql().await)
                    .await
                    .unwrap_or_else(|error| panic!("{field} {key}: {error}"));
            }
        }
    }
}

/// Every character with a meaning of its own, and every edge of a range in the rule.
const PIECES: [&str; 60] = [
    "/",
    "/",
    "/",
    ".",
    ".",
    "..",
    "%",
    "%2e",
    "%2F",
    "%0",
    "2e",
    "\\",
    "?",
    "#",
    "cv.pdf",
    "\u{1}",
    "\t",
    "\n",
    "\u{1f}",
    " ",
    "~",
    "\u{7f}",
    "\u{9f}",
    "\u{a0}",
    "\u{a1}",
    "\u{ad}",
    "\u{34f}",
    "\u{61c}",
    "\u{1680}",
    "\u{180e}",
    "\u{1fff}",
    "\u{2000}",
    "\u{200a}",
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{200f}",
    "\u{2010}",
    "\u{2023}",
    "\u{2024}",
    "\u{2026}",
    "\u{2028}",
    "\u{202e}",
    "\u{202f}",
    "\u{205f}",
    "\u{2060}",
    "\u{206f}",
    "\u{2070}",
    "\u{3000}",
    "\u{3002}",
    "\u{fe00}",
    "\u{fe0f}",
    "\u{fe52}",
    "\u{feff}",
    "\u{ff05}",
    "\u{ff0e}",
    "\u{ff0f}",
    "\u{ff61}",
    "\u{e0001}",
    "\u{1f4bb}",
];

#[tokio::test]
async fn the_rule_of_a_users_key_is_one_rule_in_sql_and_in_rust() {
    let world = World::new().await;
    let me = UserId::new();
    let piece = prop_oneof![9 => proptest::sample::select(PIECES.to_vec()).prop_map(str::to_owned), 1 => "[^\u{0}]{1,2}"];
    let key =
        proptest::collection::vec(piece, 1..6).prop_map(move |pieces| format!("{me}/{}", pieces.concat()));
    let mut runner = TestRunner::deterministic();
    let keys: Vec<String> =
        (0..20_000).map(|_| key.new_tree(&mut runner).expect("a key").current()).collect();
    let refused: Vec<String> = sqlx::query_scalar(
        "select k from unnest($2::text[]) k
         where exists (select from gh_foreign_resume($1, jsonb_build_object('storage_path', k), '{}', '{}'))",
    )
    .bind(me.0)
    .bind(&keys)
    .fetch_all(&mut world.sql().await)
    .await
    .expect("the rule");
    let refused: std::collections::HashSet<_> = refused.into_iter().collect();
    let differ: Vec<_> = keys
        .iter()
        .filter(|key| refused.contains(*key) != domain::storage_key::check_own(me, key).is_err())
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(refused.len() > 5000 && keys.len() - refused.len() > 500, "{}", refused.len());
}
