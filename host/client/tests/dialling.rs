//! What the client does with answers no honest scheduler gives.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use cofferdam_client::{Client, ClientCredentials, ClientError, TlsOptions};
use cofferdam_ids::{ByteCount, Explain as _, Sha256Digest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that gives every token request a numbered token and every other request what `answer`
/// says; it keeps the heads of the requests.
async fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Client, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut tokens = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 16 << 10];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let text = if head.starts_with("POST /oauth/token") {
                tokens += 1;
                let token = format!(
                    "{{\"access_token\":\"t{tokens}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}"
                );
                ok(&token)
            } else {
                answer(&head)
            };
            kept.lock().unwrap().push(head);
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    (Client::new(&url, ClientCredentials::new("me", "secret"), TlsOptions::native()).unwrap(), seen)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_redirect_is_an_error_and_is_not_followed() {
    let (client, seen) = server(|_| {
        "HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/elsewhere\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            .into()
    })
    .await;
    let error = client.runs().await.unwrap_err();
    assert_eq!((error.status(), error.code().to_string().as_str()), (Some(307), "CD0621"));
    assert_eq!(seen.lock().unwrap().len(), 2, "the token and the call");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let (client, seen) =
        server(
            |head| {
                if head.contains("Bearer t1") { status("401 Unauthorized") } else { ok("{\"runs\":[]}") }
            },
        )
        .await;
    assert!(client.runs().await.unwrap().runs.is_empty());
    assert!(client.runs().await.is_ok());
    assert_eq!(seen.lock().unwrap().len(), 5, "token, 401, token, and two answers");

    let (client, seen) = server(|_| status("401 Unauthorized")).await;
    assert!(matches!(client.runs().await, Err(ClientError::Unauthorised { .. })));
    assert_eq!(seen.lock().unwrap().len(), 4, "no more than one fresh token");
}

#[tokio::test]
async fn an_answer_that_is_no_json_too_long_or_another_blob_is_an_error() {
    let (client, _) = server(|_| ok("<html>")).await;
    assert_eq!(client.runs().await.unwrap_err().code().to_string(), "CD0621");
    let (client, _) = server(|_| ok("other bytes")).await;
    let wanted = Sha256Digest::of(b"the bytes");
    assert_eq!(client.blob(&wanted, ByteCount(100)).await.unwrap_err().code().to_string(), "CD0613");
    assert_eq!(client.blob(&wanted, ByteCount(3)).await.unwrap_err().code().to_string(), "CD0605");
}

#[tokio::test]
async fn nobody_there_and_trouble_on_the_other_side_are_transient() {
    let (client, _) = server(|_| status("503 Busy")).await;
    assert!(client.runs().await.unwrap_err().is_transient());
    let credentials = ClientCredentials::new("me", "secret");
    let client = Client::new("http://127.0.0.1:9", credentials, TlsOptions::native()).unwrap();
    let error = client.runs().await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.code().to_string(), "CD0601");
}

#[test]
fn the_secret_is_not_shown() {
    let shown = format!("{:?}", ClientCredentials::new("me", "hush"));
    assert!(shown.contains("me") && !shown.contains("hush"));
}
