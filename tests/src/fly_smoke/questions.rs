//! The questions.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::account::{Account, Reply};
use super::{Answer, elapsed, text};

/// How long something that Fly does later is waited for.
const LATER: Duration = Duration::from_mins(1);

/// Asks all of them, one after the other.
pub async fn ask(account: &Account) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let mut seen = |question, seen| answers.push(Answer { question, seen });
    let (life, list, deleted) = life(account).await.context("a machine's life")?;
    seen("how long from the create call to started, with the image to pull, and how is an exit told", life);
    seen("after how long does a list by metadata have a new machine", list);
    seen(
        "does the metadata filter work together with include_deleted, and how long is a destroyed machine read",
        deleted,
    );
    seen("what is the body of a 429, and has it Retry-After", rate(account).await.context("the rate limit")?);
    let (clash, reuse) = names(account).await.context("names")?;
    seen("what says a clash of names", clash);
    seen("is a name free while its machine is being destroyed", reuse);
    seen("does a stop send the signal of stop_config and wait", stop(account).await.context("stopping")?);
    seen("what comes of a list of regions", regions(account).await.context("regions")?);
    seen("what is the exit of a machine that ran out of memory", memory(account).await.context("memory")?);
    seen("is a secret set over REST in a machine made afterwards", secret(account).await.context("secrets")?);
    seen(
        "what may /.fly/api do: list the app's machines (20 yes, 41 or 43 no)",
        socket(account).await.context("the socket")?,
    );
    Ok(answers)
}

/// How a machine ended: the event as it is.
fn exit(machine: &Value) -> Value {
    let events = machine["events"].as_array().into_iter().flatten();
    events.clone().find(|event| event["type"] == "exit").map_or(Value::Null, |event| event["request"].clone())
}

/// The exit code, from either place where Fly puts it; a missing zero is a zero.
fn code(machine: &Value) -> i64 {
    let request = exit(machine);
    let inner = &request["MonitorEvent"]["exit_event"];
    let event = if inner.is_object() { inner } else { &request["exit_event"] };
    event["exit_code"].as_i64().unwrap_or(0)
}

async fn life(account: &Account) -> Result<(Value, Value, Value)> {
    let start = Instant::now();
    let made = account.make(&account.machine("smoke-life", "exit 3")).await?;
    let answered = elapsed(start)?;
    let id = text(&made, "id")?;
    let listed = loop {
        let list = account.get("?metadata.smoke=smoke-life&include_deleted=true").await?;
        if list.as_array().is_some_and(|list| list.iter().any(|machine| machine["id"] == id)) {
            break Some(elapsed(start)? - answered);
        }
        if start.elapsed() > LATER {
            break None;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let machine = account.gone(id).await?;
    ensure!(code(&machine) == 3, "the exit code is lost: {machine}");
    let moment = |kind: &str, status: &str| {
        let events = machine["events"].as_array().into_iter().flatten();
        events
            .clone()
            .find(|event| event["type"] == kind && event["status"] == status)
            .map(|event| event["timestamp"].clone())
    };
    let life = json!({
        "create_ms": answered, "launch": moment("launch", "created"), "started": moment("start", "started"),
        "stopped": moment("exit", "stopped"), "exit": exit(&machine),
    });
    let list = account.get("?metadata.smoke=smoke-life&include_deleted=true").await?;
    let both = list.as_array().is_some_and(|list| list.iter().any(|machine| machine["id"] == id));
    let without = account.get("?metadata.smoke=smoke-life").await?;
    let deleted = json!({ "listed_with_include_deleted": both, "listed_without": without.as_array().map(Vec::len), "read": machine["state"] });
    Ok((life, json!({ "ms": listed }), deleted))
}

/// Six create calls at once, of machines that are only prepared: Fly lets three through.
async fn rate(account: &Account) -> Result<Value> {
    let machines: [Value; 6] = std::array::from_fn(|number| {
        let mut machine = account.machine(&format!("smoke-rate-{number}"), "exit 0");
        machine["skip_launch"] = true.into();
        machine
    });
    let call = |number: usize| account.create(&machines[number]);
    let (first, second, third, fourth, fifth, sixth) =
        tokio::try_join!(call(0), call(1), call(2), call(3), call(4), call(5))?;
    let replies = [first, second, third, fourth, fifth, sixth];
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    let refused = replies.iter().find(|reply| reply.status == 429);
    for reply in replies.iter().filter(|reply| reply.status == 200) {
        destroy(account, text(&reply.body, "id")?).await?;
    }
    Ok(json!({
        "statuses": statuses,
        "body": refused.map(|reply| reply.body.clone()),
        "retry_after": refused.and_then(|reply| reply.retry_after.clone()),
    }))
}

async fn destroy(account: &Account, id: &str) -> Result<Reply> {
    account.call(Method::DELETE, &account.path(&format!("/{id}?force=true")), None).await
}

async fn names(account: &Account) -> Result<(Value, Value)> {
    let machine = account.machine("smoke-name", "sleep 120");
    let first = account.make(&machine).await?;
    let id = text(&first, "id")?;
    let again = loop {
        let reply = account.create(&machine).await?;
        if reply.status != 429 {
            break reply;
        }
        sleep(Duration::from_secs(1)).await;
    };
    ensure!(
        again.status == 409 && again.body.to_string().contains(id),
        "a clash must name the holder: {} {}",
        again.status,
        again.body
    );
    destroy(account, id).await?;
    let start = Instant::now();
    let mut refusals = Vec::new();
    let free = loop {
        let reply = account.create(&machine).await?;
        match reply.status {
            200 => {
                let free = elapsed(start)?;
                let second = text(&reply.body, "id")?;
                destroy(account, second).await?;
                account.gone(second).await?;
                break Some(free);
            }
            429 => {}
            status => refusals.push(json!([elapsed(start)?, status, reply.body])),
        }
        if start.elapsed() > LATER {
            break None;
        }
        sleep(Duration::from_secs(1)).await;
    };
    Ok((
        json!({ "status": again.status, "body": again.body }),
        json!({ "free_after_ms": free, "refusals": refusals }),
    ))
}

async fn stop(account: &Account) -> Result<Value> {
    let made = account.make(&account.machine("smoke-stop", "trap 'exit 5' TERM; sleep 60 & wait")).await?;
    let id = text(&made, "id")?;
    account.get(&format!("/{id}/wait?state=started&timeout=60")).await?;
    sleep(Duration::from_secs(1)).await; // the shell sets its trap
    let reply = account.call(Method::POST, &account.path(&format!("/{id}/stop")), Some(&json!({}))).await?;
    let machine = account.gone(id).await?;
    ensure!(code(&machine) == 5, "the signal did not arrive: {}", exit(&machine));
    Ok(json!({ "status": reply.status, "exit": exit(&machine) }))
}

async fn regions(account: &Account) -> Result<Value> {
    let mut machine = account.machine("smoke-regions", "exit 0");
    machine["region"] = "iad,ewr".into();
    machine["skip_launch"] = true.into();
    let made = account.make(&machine).await?;
    destroy(account, text(&made, "id")?).await?;
    Ok(json!({ "asked": "iad,ewr", "given": made["region"] }))
}

/// Four hundred million bytes in a machine that has 256 MiB. The local Fly sets no limit, so there it ends well.
async fn memory(account: &Account) -> Result<Value> {
    let made = account
        .make(&account.machine("smoke-memory", "head -c 400000000 /dev/zero | tail >/dev/null"))
        .await?;
    Ok(exit(&account.gone(text(&made, "id")?).await?))
}

async fn secret(account: &Account) -> Result<Value> {
    let path = format!("/apps/{}/secrets", account.app());
    let set = account.call(Method::POST, &path, Some(&json!({ "values": { "SMOKE": "7" } }))).await?;
    let made = account.make(&account.machine("smoke-secret", "exit ${SMOKE:-1}")).await?;
    let machine = account.gone(text(&made, "id")?).await?;
    Ok(json!({ "set": set.status, "there": code(&machine) == 7 }))
}

/// A machine has no way to say much, so its exit code is the status: 403 becomes 43.
async fn socket(account: &Account) -> Result<Value> {
    let script = "s=$(curl -s -o /dev/null -m 10 -w '%{http_code}' --unix-socket /.fly/api \
                  \"http://localhost/v1/apps/$FLY_APP_NAME/machines\"); exit $((s / 100 * 10 + s % 10))";
    let made = account.make(&account.machine("smoke-socket", script)).await?;
    let machine = account.gone(text(&made, "id")?).await?;
    Ok(json!(code(&machine)))
}
