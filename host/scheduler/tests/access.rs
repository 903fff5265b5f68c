//! Who may call what: every call that is accepted has a twin that is refused.
#![allow(clippy::unwrap_used)]

mod house;

use cofferdam_bundle::{SigningKey, sign};
use cofferdam_client::{Client, ClientCredentials, TlsOptions};
use cofferdam_ids::{PoolName, Role, Sha256Digest};
use cofferdam_protocol::api::{Enrol, StartRun};
use cofferdam_scheduler::{ClientKind, StartError, create_client, forget_client_keys, revoke_client, start};
use house::{FakeExecutor, House, code};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn a_client_with_its_secret_is_accepted_and_one_without_is_refused() {
    let house = House::new().await;
    assert!(house.person().runs().await.is_ok());
    let wrong = ClientCredentials::new(&house.person.client_id, "guessed");
    let client = Client::new(house.url(), wrong, TlsOptions::native()).unwrap();
    assert_eq!(code(client.runs().await), "CD0602");
    let nobody = ClientCredentials::new("client_none", &house.person.client_secret);
    let client = Client::new(house.url(), nobody, TlsOptions::native()).unwrap();
    assert_eq!(code(client.runs().await), "CD0602");
}

#[tokio::test]
async fn each_kind_of_client_makes_its_own_calls_alone() {
    let house = House::new().await;
    let executor = house.executor(10).await;
    assert_eq!(code(executor.client.start_run(&StartRun::default()).await), "CD0603");
    assert_eq!(code(executor.client.put_blob(&Sha256Digest::of(b"x"), b"x".to_vec()).await), "CD0603");
    assert_eq!(code(house.person().enrol(&executor.enrolment()).await), "CD0603");
    assert_eq!(code(house.person().poll(b"{}".to_vec(), 0).await), "CD0603");
}

#[tokio::test]
async fn a_revoked_client_is_refused_with_the_token_it_has() {
    let house = House::new().await;
    let client = house.person();
    assert!(client.runs().await.is_ok());
    revoke_client(&house.store(), &house.person.client_id).await.unwrap();
    assert_eq!(code(client.runs().await), "CD0602");
}

#[tokio::test]
async fn a_thief_with_the_clients_secret_but_not_the_executors_key_gets_nothing() {
    let house = House::new().await;
    house.push(&house.release(&[("model.a", &[])])).await;
    house.start_all().await;
    let mut honest = house.executor(10).await;
    let mut thief = FakeExecutor::new(house.client(&honest.credentials), honest.credentials.clone(), 66);

    // A key of his own is not enrolled: the client has its one.
    assert_eq!(code(thief.enrol().await), "CD0608");
    let poll = thief.next_poll(1, 0);
    assert_eq!(code(thief.send(&poll).await), "CD0104", "signed by no enrolled key");
    // Nor does the name of the honest executor help.
    let mut named = thief.next_poll(1, 0);
    named.executor = honest.id.clone();
    assert_eq!(code(thief.send(&named).await), "CD0104");

    assert_eq!(honest.poll(1, 0).await.len(), 1, "the work is still there");
}

#[tokio::test]
async fn an_operator_can_free_a_client_for_a_new_key() {
    let house = House::new().await;
    let old = house.executor(10).await;
    let new = FakeExecutor::new(old.client.clone(), old.credentials.clone(), 11);
    assert_eq!(code(new.enrol().await), "CD0608");
    forget_client_keys(&house.store(), &old.credentials.client_id).await.unwrap();
    assert_eq!(new.enrol().await.unwrap(), new.id);
}

#[tokio::test]
async fn a_client_made_for_two_keys_enrols_two_executors() {
    let house = House::new().await;
    let made = create_client(&house.store(), ClientKind::Executor, "pool", 2).await.unwrap();
    let seeds = [21, 22, 23].map(|seed| FakeExecutor::new(house.client(&made), made.clone(), seed));
    assert!(seeds[0].enrol().await.is_ok());
    assert!(seeds[1].enrol().await.is_ok());
    assert_eq!(code(seeds[2].enrol().await), "CD0608");
    assert!(seeds[0].enrol().await.is_ok(), "a known key may come again");
}

#[tokio::test]
async fn a_key_stays_with_its_client_and_its_pool() {
    let house = House::new().await;
    let executor = house.executor(10).await;
    let other = create_client(&house.store(), ClientKind::Executor, "other", 1).await.unwrap();
    assert_eq!(code(house.client(&other).enrol(&executor.enrolment()).await), "CD0608");
    let moved = Enrol { pool: PoolName::new("eu").unwrap(), ..executor.enrolment() };
    assert_eq!(code(executor.client.enrol(&moved).await), "CD0608");
}

#[tokio::test]
async fn a_poll_is_answered_once_and_not_for_an_earlier_start() {
    let house = House::new().await;
    let mut executor = house.executor(10).await;
    let poll = executor.next_poll(1, 0);
    assert!(executor.send(&poll).await.is_ok());
    assert_eq!(code(executor.send(&poll).await), "CD0609", "a replay");
    let before = executor.next_poll(1, 0);
    executor.boot = 2;
    let after = executor.next_poll(1, 0);
    assert!(executor.send(&after).await.is_ok());
    assert_eq!(code(executor.send(&before).await), "CD0609", "another start followed");
}

#[tokio::test]
async fn a_poll_for_another_role_or_with_another_signature_is_refused() {
    let house = House::new().await;
    let mut executor = house.executor(10).await;
    let mut other = executor.next_poll(1, 0);
    other.role = Role::Apply;
    assert_eq!(code(executor.send(&other).await), "CD0609");
    let poll = executor.next_poll(1, 0);
    let forged = sign(&poll, &[&SigningKey::from_seed([77; 32])]);
    assert_eq!(code(executor.client.poll(forged, 0).await), "CD0104");
    assert_eq!(code(executor.client.poll(b"not json".to_vec(), 0).await), "CD0102");
}

#[tokio::test]
async fn plain_http_is_served_on_loopback_alone() {
    let house = House::new().await;
    let mut config = house.config();
    config.listen = "0.0.0.0:0".parse().unwrap();
    let refused = start(config).await.err().unwrap();
    assert!(matches!(refused, StartError::PlainBeyondLoopback(_)));
}

/// One request as bytes, so that the token call is seen as other programs make it.
async fn raw(house: &House, request: &str) -> String {
    let address = house.running.as_ref().unwrap().address();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn token_request(extra: &str, body: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{extra}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_token_is_given_by_form_or_basic_and_errors_are_those_of_the_rfc() {
    use base64::Engine as _;
    let house = House::new().await;
    let (id, secret) = (&house.person.client_id, &house.person.client_secret);
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let basic = format!("Authorization: Basic {pair}\r\n");

    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = raw(&house, &token_request("", &form)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"token_type\":\"Bearer\""), "{answer}");
    assert!(answer.to_lowercase().contains("cache-control: no-store"));
    let answer = raw(&house, &token_request(&basic, "grant_type=client_credentials")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let wrong = format!("grant_type=client_credentials&client_id={id}&client_secret=x");
    let refusals = [
        ("", wrong.as_str(), "401", "invalid_client"),
        ("", "grant_type=password&username=a&password=b", "400", "unsupported_grant_type"),
        ("", "client_id=a&client_secret=b", "400", "invalid_request"),
        (basic.as_str(), form.as_str(), "400", "invalid_request"),
        ("", "grant_type=client_credentials&grant_type=client_credentials", "400", "invalid_request"),
    ];
    for (extra, body, status, word) in refusals {
        let answer = raw(&house, &token_request(extra, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {answer}");
        assert!(answer.contains(&format!("\"error\":\"{word}\"")), "{body}: {answer}");
    }
}

#[tokio::test]
async fn tls_is_accepted_from_the_named_authority_alone() {
    let mut house = House::new().await;
    house.stop().await;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (certificate, key) = (house.data.path().join("cert.pem"), house.data.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = house.config();
    config.tls = Some(cofferdam_scheduler::TlsFiles { certificate: certificate.clone(), key });
    house.running = Some(start(config).await.unwrap());
    assert!(house.url().starts_with("https://"));

    let credentials = ClientCredentials::new(&house.person.client_id, &house.person.client_secret);
    let trusted = TlsOptions::with_ca_file(&certificate).unwrap();
    assert!(Client::new(house.url(), credentials.clone(), trusted).unwrap().runs().await.is_ok());
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = TlsOptions::with_ca_pem(stranger.cert.pem());
    assert_eq!(code(Client::new(house.url(), credentials, other).unwrap().runs().await), "CD0601");
}
