//! Who may come in.

use api::server::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use tokio_util::sync::CancellationToken;

use crate::harness::{Ask, JWT_SECRET, KEY, OLD_KEY, Service, in_an_hour, sign, stranger, token, user};

/// A key pair made for these tests: the private key as PKCS#8, the public one as the two numbers of its point.
#[rustfmt::skip]
const P256_PRIVATE: &[u8] = &[
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20, 0xf5, 0x6f, 0xc2, 0x47,
    0xd9, 0x32, 0x72, 0x0c, 0xa0, 0x6c, 0x23, 0xf8, 0x32, 0x1e, 0xb8, 0x46, 0xbe, 0xde, 0xe7, 0xc9, 0x26, 0x2a, 0x40, 0xd3,
    0xf7, 0xad, 0xd4, 0x55, 0xb3, 0x9d, 0xc3, 0x47, 0xa1, 0x44, 0x03, 0x42, 0x00, 0x04, 0x74, 0x62, 0xd9, 0x81, 0xcd, 0xf6,
    0x22, 0xc9, 0xc0, 0x8d, 0x9c, 0x74, 0xd7, 0x63, 0x73, 0xeb, 0x37, 0xed, 0x72, 0xb1, 0x0e, 0x11, 0xc9, 0xea, 0x8e, 0xac,
    0x05, 0xca, 0xf0, 0x07, 0x32, 0x23, 0xfd, 0xe6, 0x82, 0x1a, 0xe5, 0x5c, 0xc5, 0x4b, 0xac, 0x76, 0x8b, 0x56, 0x9a, 0x0d,
    0x8d, 0xd7, 0x11, 0x5e, 0x94, 0xf2, 0x75, 0x51, 0xd4, 0x23, 0x92, 0x28, 0x7c, 0xd1, 0xa0, 0xc5, 0x74, 0x65,
];
const P256_X: &str = "dGLZgc32IsnAjZx012Nz6zftcrEOEcnqjqwFyvAHMiM";
const P256_Y: &str = "_eaCGuVcxUusdotWmg2N1xFelPJ1UdQjkih80aDFdGU";

#[tokio::test]
async fn two_service_keys_are_valid_at_once() {
    let service = Service::start().await;
    for (key, status) in [(KEY, 200), (OLD_KEY, 200), ("wrong", 401), (&KEY[1..], 401)] {
        let request = service.request(Method::GET, "/api/v1/gh/jobs").header("X-GH-Service-Key", key);
        let answer = request.answer().await;
        assert_eq!(answer.status, status, "{key}");
        if status == 401 {
            assert_eq!(answer.body["error"], "unauthorized");
            assert_eq!(answer.body["message"], "Invalid service key");
        }
    }
}

#[tokio::test]
async fn without_credentials_nothing_below_the_api_answers() {
    let service = Service::start().await;
    for path in ["/jobs", "/jobs/x", "/nothing/here", ""] {
        let request = service.request(Method::GET, &format!("/api/v1/gh{path}"));
        for request in [request.try_clone().expect("no body"), request.header("X-GH-Service-Key", "")] {
            let answer = request.answer().await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.body["message"], "Missing authentication credentials");
        }
    }
    assert_eq!(service.get("/nothing/here").await.body["message"], "Route not found");
    assert_eq!(service.request(Method::GET, "/nothing").answer().await.status, 404);
}

#[tokio::test]
async fn a_service_key_counts_before_a_token() {
    let service = Service::start().await;
    let request = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(token(user()));
    let answer = request.header("X-GH-Service-Key", "wrong").answer().await;
    assert_eq!((answer.status.as_u16(), &answer.body["message"]), (401, &json!("Invalid service key")));
}

#[tokio::test]
async fn a_server_without_a_secret_says_so() {
    let settings = [("GH_SERVICE_SECRET", ""), ("GH_SERVICE_SECRET_PREVIOUS", "")];
    let service = Service::with(&settings, Limits::default()).await;
    let answer = service.get("/jobs").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body["error"], "server_config_error");
}

#[tokio::test]
async fn only_a_token_of_the_project_that_is_still_valid_is_taken() {
    let service = Service::start().await;
    let good = json!({ "sub": user(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(&claims, JWT_SECRET)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("an object").remove(name);
        sign(&claims, JWT_SECRET)
    };
    let parts: Vec<String> = sign(&good, JWT_SECRET).split('.').map(str::to_owned).collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
    let other = sign(
        &json!({ "sub": stranger(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() }),
        JWT_SECRET,
    );
    let others = other.split('.').nth(1).expect("a payload");
    let bad = [
        sign(&good, "another secret of the same length for hs256"),
        with("exp", json!(in_an_hour() - 7200)),
        with("aud", json!("anon")),
        with("role", json!("anon")),
        with("sub", json!("me")),
        without("exp"),
        without("aud"),
        without("role"),
        without("sub"),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{others}.{}", parts[0], parts[2]),
        "x".to_owned(),
        String::new(),
    ];
    for token in bad {
        let answer = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(&token).answer().await;
        assert_eq!(answer.status, 401, "{token}");
    }
    let answer =
        service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(sign(&good, JWT_SECRET)).answer().await;
    assert_eq!(answer.status, 200);
}

/// A project that publishes `keys` and counts how often it is asked.
async fn project(keys: Value) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::ready(axum::Json(json!({ "keys": keys })))
    };
    let router = axum::Router::new().route("/auth/v1/.well-known/jwks.json", axum::routing::get(answer));
    let listener = api::server::bind(&["127.0.0.1:0".parse().expect("an address")]).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(api::server::serve(listener, router, Limits::default(), CancellationToken::new()));
    (url, asked)
}

#[tokio::test]
async fn a_token_signed_with_a_key_of_the_project_is_taken_and_the_keys_are_fetched_once() {
    let (private, public) = (
        EncodingKey::from_ec_der(P256_PRIVATE),
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one", "x": P256_X, "y": P256_Y,
        }),
    );
    let shared = json!({ "kty": "oct", "kid": "shared", "k": "c2hhcmVk" });
    let (url, asked) = project(json!([shared, { "kty": "??" }, public])).await;
    let service = Service::with(&[("SUPABASE_URL", &url)], Limits::default()).await;
    let claims =
        json!({ "sub": user(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() });
    let signed = |kid: &str, claims: &Value| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &private).expect("signed")
    };
    let ask = |token: String| {
        let request = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(token);
        async move { request.answer().await.status.as_u16() }
    };
    assert_eq!(ask(signed("one", &claims)).await, 200);
    assert_eq!(ask(signed("one", &claims)).await, 200);
    assert_eq!(ask(signed("unknown", &claims)).await, 401);
    assert_eq!(ask(signed("unknown", &claims)).await, 401);
    let mut expired = claims.clone();
    expired["exp"] = json!(in_an_hour() - 7200);
    assert_eq!(ask(signed("one", &expired)).await, 401);
    assert_eq!(
        ask(sign(&claims, JWT_SECRET)).await,
        200,
        "the shared secret stays valid while a project moves"
    );
    // A published value is no secret: neither the public key nor a key of kind "oct" may sign.
    for (kid, secret) in [("one", P256_X), ("shared", "shared")] {
        let header = Header { kid: Some(kid.to_owned()), ..Header::default() };
        let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .expect("signed");
        assert_eq!(ask(forged).await, 401, "{kid}");
    }
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "a made-up key id causes no fetch right after one"
    );
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_is_not_believed() {
    let (url, asked) = project(json!([])).await;
    let mine =
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "mine", "x": P256_X, "y": P256_Y });
    let (foreign, fetched) = project(json!([mine])).await;
    let service = Service::with(&[("SUPABASE_URL", &url)], Limits::default()).await;
    let claims =
        json!({ "sub": user(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() });
    let embedded = serde_json::from_value(mine.clone()).expect("a key");
    let base = Header { kid: Some("mine".into()), ..Header::new(Algorithm::ES256) };
    let headers = [
        base.clone(),
        Header { jwk: Some(embedded), ..base.clone() },
        Header { jku: Some(format!("{foreign}/auth/v1/.well-known/jwks.json")), ..base.clone() },
        Header { x5u: Some(format!("{foreign}/auth/v1/.well-known/jwks.json")), ..base.clone() },
        Header { kid: Some("../../../../dev/null".into()), ..base },
    ];
    for header in headers {
        let token =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(P256_PRIVATE)).expect("signed");
        let answer = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(token).answer().await;
        assert_eq!(answer.status, 401, "{header:?}");
    }
    // The right secret by another algorithm than the project's.
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).expect("signed");
        let answer = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(token).answer().await;
        assert_eq!(answer.status, 401, "{algorithm:?}");
    }
    assert_eq!(
        fetched.load(std::sync::atomic::Ordering::SeqCst),
        0,
        "an address of the token's is never asked"
    );
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst) <= 1);
}

#[tokio::test]
async fn a_project_that_does_not_answer_is_not_the_caller_s_fault() {
    let service = Service::with(&[("SUPABASE_URL", "http://127.0.0.1:1")], Limits::default()).await;
    let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::ES256) };
    let claims =
        json!({ "sub": user(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour() });
    let token =
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(P256_PRIVATE)).expect("signed");
    let answer = service.request(Method::GET, "/api/v1/gh/jobs").bearer_auth(token).answer().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
}
