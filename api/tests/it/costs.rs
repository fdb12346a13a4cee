//! `GET /costs`, `GET /jobs/{id}/cost`, and their files.

use std::collections::BTreeMap;

use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::harness::{Ask, Service, user};

/// Two jobs on two days and tiers, one of them completed, and overhead. Together $0.60337.
pub async fn ledger(service: &Service) -> (String, String) {
    let (done, failed) = (service.job(json!({})).await, service.job(json!({})).await);
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', worker_id = 'w', started_at = now();
        update gh_automation_jobs set status = 'completed', completed_at = now() where id = '{done}';
        insert into gh_job_attempts (id, job_id, user_id, no, tier, state, end_class, token_hash, token_sealed, boot_deadline)
            select '00000000-0000-7000-8000-000000000009', id, user_id, 1, 'pro', 'lost', 'crash', '\\x00', '\\x00', now()
            from gh_automation_jobs where id = '{failed}';
        insert into gh_cost_ledger (job_id, attempt_id, user_id, tier, kind, provider, sku, region, quantity, unit, unit_price,
            cost_usd, period_start, period_end, source, dedup, tags) values
            ('{done}', null, '{user}', 'free', 'machine', 'fly', 'shared-2x-2048mb', 'iad', 300.5, 'second', 0.0000040000000000,
                0.001202, '2026-11-01T10:00:00.5Z', '2026-11-01T10:05:01Z', 'fly_events', '1', '{{\"machine_id\":\"m1\"}}'),
            ('{done}', null, '{user}', 'free', 'llm', 'openai', 'gpt-4o-mini:input', null, 4000, 'token', 0.00000015,
                0.0006, '2026-11-01T10:01:00Z', '2026-11-01T10:01:00Z', 'runner', '2', '{{\"purpose\":\"=map\"}}'),
            ('{failed}', '00000000-0000-7000-8000-000000000009', '{user}', 'pro', 'machine', 'fly', 'shared-4x-4096mb', 'ams', 100,
                'second', 0.006, 0.6, '2026-11-02T10:00:00Z', '2026-11-02T10:01:40Z', 'fly_events', '3', '{{}}'),
            (null, null, null, 'pro', 'overhead', 'fly', 'rootfs.gb', 'iad', 1568, 'gb-second', 0.000001,
                0.001568, '2026-11-02T00:00:00Z', '2026-11-02T00:26:08Z', 'dispatcher', '4', '{{\"overhead\":\"pool_rootfs\"}}'),
            ('{failed}', '00000000-0000-7000-8000-000000000009', '{user}', 'pro', 'llm', 'acme', 'm:input', null, 10, 'token', null,
                null, '2026-11-02T10:01:00Z', '2026-11-02T10:01:00Z', 'runner', '5', '{{}}')",
        user = user(),
    ));
    (done, failed)
}

const NOVEMBER: &str = "from=2026-11-01&to=2026-12-01";

async fn text(service: &Service, path: &str) -> String {
    let response = service.as_service(Method::GET, path).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    response.text().await.expect("text")
}

/// The rows of a CSV file by the names of its columns. None of ours has a quoted comma but Tags, which is last but a few.
pub fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = text.split("\r\n").filter(|line| !line.is_empty()).map(fields);
    let header = rows.next().expect("a header");
    rows.map(|row| {
        assert_eq!(row.len(), header.len(), "{row:?}");
        header.iter().cloned().zip(row).collect()
    })
    .collect()
}

fn fields(line: &str) -> Vec<String> {
    let (mut found, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    found.push(field);
    found
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn exact(value: &Value) -> Decimal {
    number(&value.to_string())
}

#[tokio::test]
async fn costs_are_summed_by_what_is_asked_for() {
    let service = Service::start().await;
    ledger(&service).await;
    let answer = service.get(&format!("/costs?{NOVEMBER}&group_by=tier,kind")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.body;
    assert_eq!(body["group_by"], json!(["tier", "kind"]));
    assert_eq!(body["rows"].as_array().map(Vec::len), Some(5));
    let dearest = &body["rows"][0];
    assert_eq!(
        (&dearest["tier"], &dearest["kind"], exact(&dearest["total_usd"])),
        (&json!("pro"), &json!("machine"), number("0.6"))
    );
    let total = &body["total"];
    assert_eq!(exact(&total["total_usd"]), number("0.60337"));
    assert_eq!(exact(&total["wasted_usd"]), number("0.6"));
    assert_eq!((&total["jobs"], &total["completed"], &total["unpriced"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(exact(&total["per_success_usd"]), number("0.60337"));
    assert!(body["forecast"]["forecast_usd"].is_number());
    let days = service.get(&format!("/costs?{NOVEMBER}")).await.body;
    let named: Vec<_> = days["rows"].as_array().expect("rows").iter().map(|row| row["day"].clone()).collect();
    assert_eq!(named, ["2026-11-01", "2026-11-02"], "days come in their order");
    let none = service.get("/costs?from=2020-01-01&to=2020-01-02").await.body;
    assert_eq!((&none["rows"], &none["total"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_its_field() {
    let service = Service::start().await;
    for (query, field) in [
        ("group_by=salary", "group_by"),
        ("group_by=day,tier,kind,user", "group_by"),
        ("from=yesterday", "from"),
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("format=xls", "format"),
        ("limit=0", "limit"),
    ] {
        let answer = service.get(&format!("/costs?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["details"][0]["field"]),
            (422, &json!(field)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn only_a_service_sees_costs() {
    let service = Service::start().await;
    let (job, _) = ledger(&service).await;
    for path in ["/costs".to_owned(), format!("/jobs/{job}/cost")] {
        assert_eq!(service.as_user(user(), Method::GET, &path).answer().await.status, 403, "{path}");
        assert_eq!(
            service.request(Method::GET, &format!("/api/v1/gh{path}")).answer().await.status,
            401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_table_has_the_totals_of_the_object() {
    let service = Service::start().await;
    ledger(&service).await;
    let path = format!("/costs?{NOVEMBER}&group_by=job,platform");
    let response =
        service.as_service(Method::GET, &path).header("Accept", "text/csv").send().await.expect("an answer");
    assert_eq!(
        response.headers()["content-disposition"],
        "attachment; filename=\"costs-2026-11-01-2026-11-30.csv\""
    );
    let rows = table(&response.text().await.expect("text"));
    let sum: Decimal = rows.iter().map(|row| number(&row["total_usd"])).sum();
    assert_eq!(sum, number("0.60337"));
    assert_eq!(rows[0]["platform"], "greenhouse");
    assert_eq!(rows.len(), 3);
}

#[tokio::test]
async fn a_jobs_cost_is_there_line_by_line() {
    let service = Service::start().await;
    let (done, failed) = ledger(&service).await;
    let body = service.get(&format!("/jobs/{done}/cost")).await.body;
    assert_eq!(
        (exact(&body["machine_usd"]), exact(&body["llm_usd"]), exact(&body["total_usd"])),
        (number("0.001202"), number("0.0006"), number("0.001802"))
    );
    assert_eq!(body["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&body["lines"][0]["sku"], exact(&body["lines"][0]["quantity"])),
        (&json!("shared-2x-2048mb"), number("300.5"))
    );
    assert_eq!(service.get(&format!("/jobs/{failed}/cost")).await.body["unpriced"], 1);
    let csv = table(&text(&service, &format!("/jobs/{done}/cost?format=csv")).await);
    assert_eq!(
        (csv[1]["purpose"].as_str(), csv[1]["cost_usd"].as_str()),
        ("'=map", "0.0006"),
        "no formula reaches a spreadsheet"
    );
    let fresh = service.job(json!({})).await;
    assert_eq!(service.get(&format!("/jobs/{fresh}/cost")).await.body["lines"], json!([]));
    assert_eq!(service.get("/jobs/00000000-0000-4000-8000-000000000000/cost").await.status, 404);
}

/// The mandatory columns of FOCUS 1.2, and whether they may be empty.
const MANDATORY: [(&str, bool); 21] = [
    ("BilledCost", false),
    ("BillingAccountId", false),
    ("BillingAccountName", true),
    ("BillingCurrency", false),
    ("BillingPeriodEnd", false),
    ("BillingPeriodStart", false),
    ("ChargeCategory", false),
    ("ChargeClass", true),
    ("ChargeDescription", true),
    ("ChargePeriodEnd", false),
    ("ChargePeriodStart", false),
    ("ContractedCost", false),
    ("EffectiveCost", false),
    ("InvoiceIssuerName", false),
    ("ListCost", false),
    ("PricingQuantity", false),
    ("PricingUnit", false),
    ("ProviderName", false),
    ("PublisherName", false),
    ("ServiceCategory", false),
    ("ServiceName", false),
];

#[tokio::test]
async fn the_focus_file_keeps_the_rules_of_the_specification() {
    let service = Service::start().await;
    ledger(&service).await;
    // A correction of a month that is over is billed in the month it is written.
    service.sql(
        "select gh_correct_line(id, 400, unit_price, 'late event') from gh_cost_ledger where dedup = '1'",
    );
    let rows = table(&text(&service, &format!("/costs?{NOVEMBER}&format=focus")).await);
    assert_eq!(rows.len(), 7);
    let mut billed = Decimal::ZERO;
    for row in &rows {
        for (column, may_be_empty) in MANDATORY {
            let value = row.get(column).unwrap_or_else(|| panic!("{column} is missing"));
            assert!(may_be_empty || !value.is_empty(), "{column} is empty in {row:?}");
        }
        for cost in [
            "BilledCost",
            "EffectiveCost",
            "ListCost",
            "ContractedCost",
            "PricingQuantity",
            "ConsumedQuantity",
        ] {
            number(&row[cost]);
        }
        if row["ListUnitPrice"].is_empty() {
            assert_eq!((row["x_PriceMissing"].as_str(), number(&row["BilledCost"])), ("true", Decimal::ZERO));
        } else {
            assert_eq!(
                number(&row["ListCost"]),
                number(&row["ListUnitPrice"]) * number(&row["PricingQuantity"]),
                "{row:?}"
            );
            assert_eq!(
                number(&row["ContractedCost"]),
                number(&row["ContractedUnitPrice"]) * number(&row["PricingQuantity"])
            );
            assert_eq!(number(&row["BilledCost"]), number(&row["ListCost"]).round_dp(10));
        }
        let time = |column: &str| chrono::DateTime::parse_from_rfc3339(&row[column]).expect("a time");
        for column in ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"] {
            time(column);
            assert!(row[column].ends_with('Z') && row[column].len() == 20, "{column}: UTC, to the second");
        }
        assert!(time("ChargePeriodStart") < time("ChargePeriodEnd"), "half-open and never empty");
        assert!(time("BillingPeriodStart") < time("BillingPeriodEnd"));
        assert!(
            row["BillingPeriodStart"].ends_with("-01T00:00:00Z")
                && row["BillingPeriodEnd"].ends_with("-01T00:00:00Z")
        );
        let is_correction = row["ChargeClass"] == "Correction";
        assert!(is_correction || row["ChargeClass"].is_empty());
        assert!(
            is_correction
                || (time("BillingPeriodStart") <= time("ChargePeriodStart")
                    && time("ChargePeriodStart") < time("BillingPeriodEnd"))
        );
        assert_eq!(
            (
                row["BillingCurrency"].as_str(),
                row["ChargeCategory"].as_str(),
                row["ChargeFrequency"].as_str()
            ),
            ("USD", "Usage", "Usage-Based")
        );
        let category = (row["ServiceCategory"].as_str(), row["ServiceSubcategory"].as_str());
        assert!(
            [
                ("Compute", "Virtual Machines"),
                ("AI and Machine Learning", "Generative AI"),
                ("Storage", "Block Storage")
            ]
            .contains(&category),
            "{category:?}"
        );
        assert_eq!(row["ConsumedUnit"], row["PricingUnit"]);
        assert_eq!(row["RegionId"].is_empty(), row["RegionName"].is_empty());
        assert_eq!(row["ResourceId"].is_empty(), row["ResourceType"].is_empty());
        assert!(serde_json::from_str::<BTreeMap<String, Value>>(&row["Tags"]).is_ok(), "{}", row["Tags"]);
        billed += number(&row["BilledCost"]);
    }
    let total = service.get(&format!("/costs?{NOVEMBER}")).await.body["total"]["total_usd"].clone();
    assert_eq!(billed, exact(&total));
    let columns: Vec<&String> = rows[0].keys().collect();
    assert!(
        !columns.iter().any(|column| column.starts_with("used_") || *column == "id"),
        "ours, not the specification's"
    );
}

#[tokio::test]
async fn a_spreadsheet_program_opens_the_files() {
    let Some(program) =
        ["soffice", "libreoffice", "localc"].iter().find_map(|name| xtask::tools::on_path(name))
    else {
        eprintln!("skipped: LibreOffice is not installed (Debian: libreoffice-calc-nogui)");
        return;
    };
    let service = Service::start().await;
    ledger(&service).await;
    let folder = e2e::folder::scratch().expect("a folder");
    for (name, column, query) in
        [("costs", "total_usd", "group_by=job"), ("focus", "BilledCost", "format=focus")]
    {
        let path = format!("/costs?{NOVEMBER}&format=csv&{query}");
        std::fs::write(folder.path().join(format!("{name}.csv")), text(&service, &path).await)
            .expect("written");
        let file = format!("{name}.csv");
        let (program, folder_of) = (program.clone(), folder.path().to_owned());
        // To its own format, and from there to text again: what it understood, it writes.
        let output = tokio::task::spawn_blocking(move || {
            let mut last = None;
            for (to, from) in [
                ("ods", file.clone()),
                ("csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false", file.replace(".csv", ".ods")),
            ] {
                let output = std::process::Command::new(&program)
                    .arg(format!("-env:UserInstallation=file://{}/profile", folder_of.display()))
                    .args(["--headless", "--convert-to", to, "--outdir"])
                    .arg(folder_of.join("out"))
                    .arg(if to == "ods" { folder_of.join(&from) } else { folder_of.join("out").join(&from) })
                    .output()
                    .expect("it runs");
                last = Some(output);
            }
            last
        })
        .await
        .expect("it ends");
        let read = std::fs::read_to_string(folder.path().join("out").join(format!("{name}.csv")))
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let rows = table(&read.replace('\n', "\r\n"));
        let sum: Decimal = rows.iter().map(|row| number(&row[column])).sum();
        assert_eq!(sum, number("0.60337"), "{name}");
    }
}

#[tokio::test]
async fn an_invoice_is_reconciled_by_name_and_a_gap_fails() {
    let service = Service::start().await;
    ledger(&service).await;
    let folder = e2e::folder::scratch().expect("a folder");
    let file = folder.path().join("invoice.csv");
    let run = async |invoice: &str| {
        std::fs::write(&file, invoice).expect("written");
        let command = api::costs::Command::Reconcile {
            invoice: file.clone(),
            month: Some("2026-11".into()),
            provider: "fly".into(),
            tolerance: number("0.01"),
        };
        let db = store::Db::open(&service.database.clone().into(), "costs-test", 1).expect("an address");
        api::costs::run(command, &db).await
    };
    run("Description,Amount\nshared-cpu-2x machines,0.60\nstopped rootfs,0.00\nIPv4,2.00\nTotal,2.60\n")
        .await
        .expect("no gap");
    let gap = run("Description,Amount\nshared-cpu-2x machines,0.75\n").await.expect_err("a gap");
    assert!(gap.to_string().contains("differ by 0.147"), "{gap}");
    assert!(run("hello").await.is_err());
}

#[tokio::test]
async fn a_backfill_on_the_command_line_fills_what_is_known_by_now() {
    let service = Service::start().await;
    let (_, failed) = ledger(&service).await;
    service.sql("insert into gh_prices (provider, sku, unit, price, valid_from) values ('acme', 'm:input', 'million tokens', 2, '2026-01-01')");
    let db = store::Db::open(&service.database.clone().into(), "costs-test", 1).expect("an address");
    api::costs::run(api::costs::Command::Backfill, &db).await.expect("filled");
    let body = service.get(&format!("/jobs/{failed}/cost")).await.body;
    assert_eq!((&body["unpriced"], exact(&body["llm_usd"])), (&json!(0), number("0.00002")));
}
