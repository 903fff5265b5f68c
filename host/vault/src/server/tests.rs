//! A vault's answers, from a server with a certificate made for the test.

use std::{net::TcpListener, thread, thread::JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, pki_types::PrivateKeyDer};

use super::*;

struct Stub {
    port: u16,
    ca: tempfile::NamedTempFile,
    served: JoinHandle<String>,
}

/// Answers one request with `answer`, as a server of the name `name`.
fn stub(name: &str, answer: &'static str) -> Stub {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(issuer.pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let (mut heard, mut bytes) = (Vec::new(), [0; 4096]);
        while !heard.ends_with(b"\r\n\r\n") {
            match stream.read(&mut bytes) {
                Ok(read) if read > 0 => heard.extend_from_slice(&bytes[..read]),
                _ => break,
            }
        }
        let _ = stream.write_all(answer.as_bytes());
        stream.conn.send_close_notify();
        let _ = stream.flush();
        String::from_utf8(heard).unwrap()
    });
    Stub { port, ca, served }
}

fn ask(stub: &Stub) -> Result<String, String> {
    let server = Server {
        host: "localhost".to_owned(),
        port: stub.port,
        token: "env://T".parse().unwrap(),
        namespace: Some("team".to_owned()),
        ca: Some(stub.ca.path().to_owned()),
    };
    let reference = "vault://secret/shop/wh#password".parse().unwrap();
    let read = server.read("secret", "shop/wh", &Secret::new(b"t0ken-canary".to_vec()), &reference);
    read.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|e| format!("{e} {e:?}"))
}

#[test]
fn a_secrets_fields_are_read_whole_or_in_chunks() {
    let body = r#"{"data":{"data":{"password":"s3cret"},"metadata":{"version":3}}}"#;
    let whole: &'static str =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).leak();
    let chunks: &'static str = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    )
    .leak();
    for answer in [whole, chunks] {
        let stub = stub("localhost", answer);
        assert_eq!(ask(&stub).unwrap(), r#"{"password":"s3cret"}"#);
        let heard = stub.served.join().unwrap();
        assert!(heard.starts_with("GET /v1/secret/data/shop/wh HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("X-Vault-Token: t0ken-canary\r\n"));
        assert!(heard.contains("X-Vault-Namespace: team\r\n"));
    }
}

#[test]
fn anything_else_is_refused_without_repeating_it() {
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ncanary", "it refuses the token"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "there is no secret at"),
        ("HTTP/1.1 302 Found\r\nLocation: http://canary/\r\nContent-Length: 0\r\n\r\n", "sends elsewhere"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary", "not that of a KV engine"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\ncanary", "cannot be read"),
        ("canary", "cannot be read"),
    ] {
        let error = ask(&stub("localhost", answer)).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn a_server_of_another_name_never_sees_the_token() {
    let stub = stub("other.example", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let error = ask(&stub).unwrap_err();
    assert!(error.contains("certificate is not trusted or is not for its name"), "{error}");
    assert!(!stub.served.join().unwrap().contains("canary"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_answer_or_nothing(bytes: Vec<u8>, tail in "HTTP/1.1 200 \r\n(content-length: [0-9]{1,3}|transfer-encoding: chunked)\r\n\r\n[0-9a-f\r\n]{0,40}") {
        let _ = read_answer(&bytes);
        let _ = read_answer(tail.as_bytes());
    }
}
