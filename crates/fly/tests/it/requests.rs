//! What goes over the wire, and how answers with holes in them are read.

use crate::fake::{Fake, client};
use fly::{Delete, HostStatus, ListMachines, Scope, State, Stop, WaitFor};
use std::time::Duration;

fn first_line(request: &str) -> &str {
    request.lines().next().unwrap()
}

#[tokio::test]
async fn calls_go_to_flys_paths_with_the_right_scheme_of_token() {
    let fake = Fake::answering(200, r#"{"id":"m","ok":true}"#).await;
    let fly = fake.client();
    fly.get("my app", "m").await.unwrap();
    fly.delete("app", "m", Delete::Force).await.unwrap();
    fly.delete("app", "m", Delete::IfIdle).await.unwrap();
    let stop = Stop { signal: Some("SIGTERM".to_owned()), timeout: Some(Duration::from_secs(30)) };
    fly.stop("app", "m", &stop).await.unwrap();
    let asked = fake.asked();
    assert_eq!(first_line(&asked[0]), "GET /v1/apps/my%20app/machines/m HTTP/1.1");
    assert_eq!(first_line(&asked[1]), "DELETE /v1/apps/app/machines/m?force=true HTTP/1.1");
    assert_eq!(first_line(&asked[2]), "DELETE /v1/apps/app/machines/m HTTP/1.1");
    assert!(asked[3].ends_with(r#"{"signal":"SIGTERM","timeout":"30s"}"#), "{}", asked[3]);
    assert!(asked.iter().all(|request| request.contains("authorization: FlyV1 fm2_test\r\n")));
}

#[tokio::test]
async fn an_address_that_names_the_version_is_not_given_it_twice() {
    let fake = Fake::answering(200, r#"{"name":"app"}"#).await;
    for base in ["", "/", "/v1", "/v1/"] {
        let fly = client(&format!("{}{base}", fake.url()), Duration::from_secs(5));
        fly.app("app").await.unwrap();
    }
    assert!(fake.asked().iter().all(|request| first_line(request) == "GET /v1/apps/app HTTP/1.1"));
}

#[tokio::test]
async fn a_list_asks_for_what_the_filter_says() {
    let fake = Fake::answering(200, "[]").await;
    let filter = ListMachines {
        states: vec![State::Started, State::Stopped],
        region: Some("ams".to_owned()),
        scope: Scope::IncludingDeleted,
        summary: true,
        ..ListMachines::with_metadata("gh_env", "test env")
    };
    assert!(fake.client().list("app", &filter).await.unwrap().is_empty());
    fake.client().list("app", &ListMachines::default()).await.unwrap();
    let expected = "GET /v1/apps/app/machines?metadata.gh_env=test+env&state=started%2Cstopped&region=ams\
                    &include_deleted=true&summary=true HTTP/1.1";
    assert_eq!(first_line(&fake.asked()[0]), expected);
    assert_eq!(first_line(&fake.asked()[1]), "GET /v1/apps/app/machines HTTP/1.1");
}

#[tokio::test]
async fn a_wait_repeats_its_states_and_keeps_to_flys_1_to_60_seconds() {
    let fake = Fake::answering(200, r#"{"ok":true,"state":"stopped"}"#).await;
    for (asked, sent) in [(0, 1), (30, 30), (600, 60)] {
        let until =
            WaitFor { states: vec![State::Stopped, State::Destroyed], timeout: Duration::from_secs(asked) };
        fake.client().wait("app", "m", &until).await.unwrap();
        let request = fake.asked().pop().unwrap();
        let query = format!("/v1/apps/app/machines/m/wait?state=stopped&state=destroyed&timeout={sent} ");
        assert!(first_line(&request).contains(&query), "{request}");
    }
}

#[tokio::test]
async fn a_machine_with_holes_and_oddities_is_read_all_the_same() {
    let body = r#"[
        {"id":"a","state":"hibernating","config":null,"events":null,"image_ref":{"registry":"r","labels":null},"checks":null},
        {"id":"b","host_status":"unreachable","incomplete_config":{"image":"i","metadata":{"gh_env":"test"}}},
        {"id":"c","state":"started","created_at":"yesterday","config":{"image":"i","env":null,"guest":[]},
         "events":[{"type":"launch","request":null},{"timestamp":"soon"},7]}
    ]"#;
    let fake = Fake::answering(200, body).await;
    let machines = fake.client().list("app", &ListMachines::default()).await.unwrap();
    let ids: Vec<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(machines[0].state, State::Other("hibernating".to_owned()));
    assert_eq!((machines[1].host_status, &machines[1].config), (HostStatus::Unreachable, &None));
    assert_eq!(machines[1].metadata("gh_env"), Some("test"));
    assert_eq!((machines[2].state.clone(), machines[2].events.len()), (State::Started, 2));
    assert_eq!(machines[2].host_status, HostStatus::Ok);
}

#[tokio::test]
async fn regions_are_read_with_either_capitalisation() {
    for body in [r#"{"Regions":[{"code":"ams"}],"Nearest":"ams"}"#, r#"{"regions":[{"code":"ams"}]}"#] {
        let fake = Fake::answering(200, body).await;
        assert_eq!(fake.client().regions().await.unwrap()[0].code, "ams");
    }
}
