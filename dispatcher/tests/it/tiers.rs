//! `tiers check` and `tiers plan`.

use serde_json::json;

use crate::world::World;

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiers.toml");
    std::fs::write(&path, text).expect("written");
    (folder, path.display().to_string())
}

#[tokio::test]
async fn check_names_every_error_with_file_line_and_what_is_allowed() {
    let world = World::new().await;
    let text = domain::tier::DEFAULT.replacen("memory_mb = 2048", "memory_mb = 2000", 1).replacen(
        "capacity = { min = 2, max = 40 }",
        "capacity = { min = 2, max = 1 }",
        1,
    );
    let line = |part: &str| text.lines().position(|line| line.contains(part)).expect("there") + 1;
    let (_folder, path) = file(&text);
    let said = world.say(&["tiers", "check", &path]).await;
    assert_eq!(said.code, 1);
    let (memory, capacity) = (line("2000"), line("max = 1 }"));
    assert!(said.text.contains(&format!("{path}:{memory}: tiers.free.guest: ")), "{}", said.text);
    assert!(said.text.contains("steps of 256"), "{}", said.text);
    assert!(said.text.contains(&format!("{path}:{capacity}: tiers.enterprise.capacity: ")), "{}", said.text);
    let (code, said) = world.ask(&["tiers", "check", &path]).await;
    assert_eq!((code, said["errors"].as_array().map(Vec::len)), (1, Some(2)), "{said:#}");
    assert_eq!(said["errors"][0]["line"], json!(memory));
}

#[tokio::test]
async fn check_needs_no_database_and_finds_no_error_in_the_shipped_file() {
    let mut world = World::new().await;
    world.env.clear();
    let (_folder, path) = file(domain::tier::DEFAULT);
    assert_eq!(world.ask(&["tiers", "check", &path]).await, (0, json!({ "ok": true, "errors": [] })));
    assert_eq!(world.say(&["tiers", "check", "/no/such/file"]).await.code, 1);
}

#[tokio::test]
async fn plan_shows_changes_costs_and_the_pool() {
    let world = World::new().await;
    world
        .execute(
            "insert into gh_cost_ledger (job_id, tier, kind, provider, sku, region, quantity, unit, source, dedup)
             values (gen_random_uuid(), 'starter', 'machine', 'fly', 's', 'iad', 100, 'second', 'test', '1'),
                    (gen_random_uuid(), 'starter', 'machine', 'fly', 's', 'ord', 100, 'second', 'test', '2');
             insert into gh_cost_ledger (at, job_id, tier, kind, provider, sku, region, quantity, unit, source, dedup)
             values (now() - interval '31 days', gen_random_uuid(), 'starter', 'machine', 'fly', 's', 'iad', 5000, 'second', 'test', '3');
             insert into gh_machines (id, kind, app, name, tier, guest, image, regions, seen)
             values (gen_random_uuid(), 'pool', 'runner', 'p1', 'starter', '{\"cpu_kind\":\"shared\",\"cpus\":2,\"memory_mb\":2048}', 'i', 'iad', 'stopped')",
        )
        .await;
    let at = domain::tier::DEFAULT.find("[tiers.starter]").expect("there");
    let (before, after) = domain::tier::DEFAULT.split_at(at);
    let (_folder, path) =
        file(&format!("{before}{}", after.replacen("memory_mb = 2048", "memory_mb = 4096", 1)));
    let (code, said) = world.ask(&["tiers", "plan", &path]).await;
    let tier = |name: &str| {
        said.as_array().and_then(|all| all.iter().find(|tier| tier["tier"] == name)).expect("a tier").clone()
    };
    let starter = tier("starter");
    assert_eq!(code, 0);
    assert_eq!(starter["changes"][0]["field"], json!("guest"));
    assert_eq!((&starter["jobs"], &starter["machine_seconds"]), (&json!(2), &json!(200)));
    // iad at 1, ord at 1.25: 225 s of (2 * 0.695 + GB * 5) / 2,592,000.
    assert_eq!(
        (&starter["total_before_micros"], &starter["total_after_micros"]),
        (&json!(989), &json!(1857))
    );
    assert_eq!(
        (&starter["per_job_before_micros"], &starter["per_job_after_micros"]),
        (&json!(494), &json!(928))
    );
    assert_eq!((&starter["pool"], &starter["pool_replaced"]), (&json!(1), &json!(1)));
    assert_eq!(tier("pro")["changes"], json!([]));
    let text = world.say(&["tiers", "plan", &path]).await.text;
    assert!(text.contains("pro: no change") && text.contains("2 jobs in the last 30 days"), "{text}");
}

#[tokio::test]
async fn plan_says_when_a_price_is_missing_instead_of_guessing() {
    let world = World::new().await;
    world
        .execute(
            "insert into gh_cost_ledger (job_id, tier, kind, provider, sku, region, quantity, unit, source, dedup)
             values (gen_random_uuid(), 'free', 'machine', 'fly', 's', 'xyz', 100, 'second', 'test', '1')",
        )
        .await;
    let (_folder, path) = file(&domain::tier::DEFAULT.replacen("per_user = 1", "per_user = 2", 1));
    let (_, said) = world.ask(&["tiers", "plan", &path]).await;
    let free = said
        .as_array()
        .and_then(|all| all.iter().find(|tier| tier["tier"] == "free"))
        .expect("a tier")
        .clone();
    assert_eq!((&free["jobs"], &free["total_before_micros"]), (&json!(1), &json!(null)));
    assert_eq!(free["changes"], json!([{ "field": "per_user", "before": "1", "after": "2" }]));
}

#[tokio::test]
async fn plan_compares_with_the_file_in_force() {
    let mut world = World::new().await;
    let (_folder, path) = file(&domain::tier::DEFAULT.replacen("per_user = 1", "per_user = 2", 1));
    world.env.insert("GH_TIERS_FILE", path.clone());
    let (_, said) = world.ask(&["tiers", "plan", &path]).await;
    assert!(said.as_array().expect("tiers").iter().all(|tier| tier["changes"] == json!([])), "{said:#}");
}
