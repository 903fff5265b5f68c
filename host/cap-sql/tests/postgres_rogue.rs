//! Servers that lie, each with a certificate that is trusted where the case wants one. Whatever
//! they ask, the password never leaves; whatever they send, the session ends with a refusal.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use cofferdam_call::{Access, FailureKind, Refusal};
use cofferdam_cap_sql::{
    Address, Allowances, CancelToken, Credential, Holder, ServerSettings, SqlSession, TlsMode, TlsSettings,
};
use cofferdam_servers::{Authority, Issued};
use cofferdam_vault::Secret;
use pg_house::{driver_with, open_as, read};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const CANARY: &str = "canary-hunter2";
static AUTHORITY: LazyLock<(Authority, PathBuf)> = LazyLock::new(|| {
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().keep().unwrap();
    std::fs::write(&file, authority.pem()).unwrap();
    (authority, file)
});

/// Everything the server was sent, before and inside of TLS.
type Heard = Arc<Mutex<Vec<u8>>>;

/// What speaks with one client.
struct Peer<S> {
    stream: S,
    heard: Heard,
}

impl<S: Read + Write> Peer<S> {
    fn read(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).ok()?;
        self.heard.lock().unwrap().extend_from_slice(&buffer);
        Some(buffer)
    }

    /// A message without a tag: a request for TLS, or the start.
    fn start(&mut self) -> Option<Vec<u8>> {
        let length = self.read(4)?;
        self.read(u32::from_be_bytes(length.try_into().unwrap()) as usize - 4)
    }

    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let tag = self.read(1)?[0];
        Some((tag, self.start()?))
    }

    fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).ok()
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn login_asks(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], rest].concat())
}

fn started() -> Vec<u8> {
    let mut bytes = login_asks(0, b"");
    for setting in [
        "client_encoding\0UTF8\0",
        "standard_conforming_strings\0on\0",
        "integer_datetimes\0on\0",
        "server_version\x0099\0",
        "server_encoding\0UTF8\0",
    ] {
        bytes.extend(message(b'S', setting.as_bytes()));
    }
    bytes.extend(message(b'K', &[0, 0, 0, 7, 0, 0, 0, 7]));
    bytes.extend(message(b'Z', b"I"));
    bytes
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

fn tls_with(issued: &Issued) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// Serves one client after another; gives the port and what was heard.
fn serve(act: impl Fn(Peer<TcpStream>) + Send + 'static) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            act(Peer { stream, heard: Arc::clone(&hears) });
        }
    });
    (port, heard)
}

/// Serves clients over TLS with a certificate that is trusted.
fn serve_tls(issued: &Issued, act: impl Fn(&mut Peer<Tls>) -> Option<()> + Send + 'static) -> (u16, Heard) {
    let config = tls_with(issued);
    serve(move |mut peer| {
        if peer.start().is_none() || peer.say(b"S").is_none() {
            return;
        }
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut inside = Peer { stream: StreamOwned::new(connection, peer.stream), heard: peer.heard };
        let _ = act(&mut inside);
    })
}

fn good() -> Issued {
    AUTHORITY.0.server(&["localhost"])
}

fn settings(port: u16, tls: TlsMode, allow: Allowances) -> ServerSettings {
    ServerSettings {
        address: Address::Tcp { host: "localhost".to_owned(), port },
        database: "shop".to_owned(),
        schema: "analytics".to_owned(),
        tls: TlsSettings { mode: tls, ca: Some(AUTHORITY.1.clone()) },
        allow,
        connections: 1,
        statement_timeout: Duration::from_secs(5),
        lock_timeout: Duration::from_secs(5),
        zone_of_server: false,
        owner_tag: String::new(),
        fence_schema: "cofferdam".to_owned(),
    }
}

fn try_open(settings: ServerSettings) -> Result<Box<dyn SqlSession>, Refusal> {
    let password = Some(Secret::new(CANARY.as_bytes().to_vec()));
    let driver = driver_with(settings, Credential { user: "reader".to_owned(), password });
    open_as(&driver, Access::Read, &CancelToken::default(), Holder::operator())
}

/// Opens a session at a server, which must be refused without the password having been heard.
fn refused(port: u16, heard: &Heard) -> String {
    let refusal =
        try_open(settings(port, TlsMode::VerifyFull, Allowances::default())).err().expect("a refusal");
    assert_eq!(refusal.kind, FailureKind::Unavailable);
    let heard = heard.lock().unwrap();
    assert!(!heard.windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes()), "the password was heard");
    assert!(!refusal.message.contains("localhost") && !refusal.message.contains(CANARY), "{refusal}");
    refusal.to_string()
}

#[test]
fn a_server_without_tls_is_told_nothing() {
    for (answer, expected) in [
        (
            &b"N"[..],
            "CD0317: the server does not speak TLS; nothing was sent to it. Turn TLS on in the server",
        ),
        (
            b"ESERROR\0",
            "CD0317: the server does not speak TLS; nothing was sent to it. Turn TLS on in the server",
        ),
        (b"X", "CD0333: the server's answer to the request for TLS is none"),
        (b"SR\0\0\0\x08\0\0\0\x03", "CD0317: the server does not speak TLS where it said it would"),
    ] {
        let (port, heard) = serve(move |mut peer| {
            peer.start();
            peer.say(answer);
            // Whatever else is said is heard too.
            while peer.read(1).is_some() {}
        });
        assert_eq!(refused(port, &heard), expected);
        assert!(!String::from_utf8_lossy(&heard.lock().unwrap()).contains("reader"), "not even the role");
    }
}

#[test]
fn a_certificate_that_is_not_the_servers_is_refused() {
    let stranger = Authority::new();
    for (issued, expected) in [
        (
            AUTHORITY.0.server(&["warehouse.example"]),
            "CD0317: the server's certificate is for another host than the gateway names",
        ),
        (AUTHORITY.0.expired(&["localhost"]), "CD0317: the server's certificate has expired"),
        (
            stranger.server(&["localhost"]),
            "CD0317: the server's certificate is not signed by an authority that is trusted here; name its authority \
             with `ca`",
        ),
    ] {
        let (port, heard) = serve_tls(&issued, |peer| peer.start().map(drop));
        assert_eq!(refused(port, &heard), expected);
    }
}

#[test]
fn a_weak_login_is_refused_although_the_certificate_is_good() {
    let asks = [
        (login_asks(3, b""), "CD0318: the server asks for the password in clear; it was not sent"),
        (login_asks(5, b"salt"), "CD0318: the server asks for an MD5 password; it was not sent"),
        (started(), "CD0318: the server lets the role in without proving that it knows its password"),
        (login_asks(7, b""), "CD0318: the server asks for a login other than SCRAM"),
        (login_asks(10, b"SCRAM-SHA-1\0\0"), "CD0318: the server offers no way to log in that is known here"),
    ];
    for (ask, expected) in asks {
        let (port, heard) = serve_tls(&good(), move |peer| {
            peer.start()?;
            peer.say(&ask)?;
            while peer.message().is_some() {}
            Some(())
        });
        let refusal = refused(port, &heard);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn what_is_allowed_in_words_is_done() {
    let words = |word: &str| {
        let mut allow = Allowances::default();
        assert!(allow.allow(word));
        allow
    };
    for (ask, word) in
        [(login_asks(3, b""), "password-in-clear-over-tls"), (login_asks(5, b"salt"), "md5-password")]
    {
        let (port, heard) = serve_tls(&good(), move |peer| {
            peer.start()?;
            peer.say(&ask)?;
            peer.message().map(drop)
        });
        assert!(try_open(settings(port, TlsMode::VerifyFull, words(word))).is_err());
        let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        assert_eq!(heard.contains(CANARY), word == "password-in-clear-over-tls");
        assert_eq!(heard.contains("md5"), word == "md5-password");
    }
    // In clear means over TLS: never without.
    let (port, heard) = serve(|mut peer| {
        peer.start();
        peer.say(&login_asks(3, b""));
        while peer.message().is_some() {}
    });
    assert!(try_open(settings(port, TlsMode::Off, words("password-in-clear-over-tls"))).is_err());
    assert!(!String::from_utf8_lossy(&heard.lock().unwrap()).contains(CANARY));
}

/// Answers SCRAM with a challenge of so many rounds, and a proof that is none.
fn scram(peer: &mut Peer<Tls>, rounds: &str, offer: &[u8]) -> Option<()> {
    peer.start()?;
    peer.say(&login_asks(10, offer))?;
    let (_, first) = peer.message()?;
    let first = String::from_utf8_lossy(&first).into_owned();
    let nonce = first.split("r=").nth(1)?.to_owned();
    let challenge = format!("r={nonce}server,s=c2FsdHNhbHQ=,i={rounds}");
    peer.say(&login_asks(11, challenge.as_bytes()))?;
    peer.message()?;
    peer.say(&login_asks(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))?;
    peer.say(&started())
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let from = Instant::now();
    for (rounds, expected) in [
        ("4096", "CD0318: the server does not prove that it knows the password: it is not the one it says"),
        ("2147483648", "CD0318: the server asks for fewer than 4,096 or more than 100,000 rounds of SCRAM"),
        ("1", "CD0318: the server asks for fewer than 4,096 or more than 100,000 rounds of SCRAM"),
        ("-1", "CD0318: the server asks for fewer than 4,096 or more than 100,000 rounds of SCRAM"),
    ] {
        let (port, heard) =
            serve_tls(&good(), move |peer| scram(peer, rounds, b"SCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"));
        let refusal = refused(port, &heard);
        assert!(refusal.starts_with(expected), "{refusal}");
        let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        assert!(heard.contains("SCRAM-SHA-256-PLUS") && heard.contains("p=tls-server-end-point"));
    }
    assert!(from.elapsed() < Duration::from_secs(20));

    let (port, heard) = serve_tls(&good(), |peer| scram(peer, "4096", b"SCRAM-SHA-256\0\0"));
    refused(port, &heard);
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(heard.contains("y,,n="), "a server whose offer was taken away can tell");
}

#[test]
fn a_start_that_never_ends_or_contradicts_itself_is_given_up() {
    let flood = |bytes: Vec<u8>| {
        move |peer: &mut Peer<Tls>| {
            peer.start()?;
            peer.say(&login_asks(0, b""))?;
            while peer.say(&bytes).is_some() {}
            Some(())
        }
    };
    let mut allow = Allowances::default();
    allow.allow("no-password");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (message(b'N', b"SNOTICE\0Mnoise\0\0"), "messages without end"),
        (message(b'S', b"some.setting\0value\0"), "messages without end"),
        (message(b'A', &[0; 16]), "messages without end"),
        (vec![b'Z', 0xff, 0xff, 0xff, 0xff], "an impossible length"),
        (vec![b'Z', 0, 0, 0, 3], "an impossible length"),
        (vec![b'N', 0x7f, 0xff, 0xff, 0xff], "longer than any should be"),
        (message(b'Z', b"T"), "starts a session in an unknown way"),
        (message(b'K', b"short"), "starts a session in an unknown way"),
        (message(b'Z', b"I"), "does not take"),
    ];
    for (bytes, expected) in cases {
        let shown = format!("{:?}", &bytes[..bytes.len().min(8)]);
        let (port, _) = serve_tls(&good(), flood(bytes));
        let from = Instant::now();
        let refusal =
            try_open(settings(port, TlsMode::VerifyFull, allow)).err().expect("a refusal").to_string();
        assert!(refusal.contains(expected), "{shown}: {refusal}");
        assert!(from.elapsed() < Duration::from_secs(30), "{shown}");
    }
}

/// Answers every statement of the driver's own with one row, and then the guest's with `lie`.
fn lying(lie: Vec<u8>) -> (u16, Heard) {
    serve_tls(&good(), move |peer| {
        peer.start()?;
        peer.say(&started())?;
        let mut asked = 0;
        loop {
            match peer.message()? {
                (b'X', _) => return Some(()),
                // The simple protocol takes many statements at once: it is never spoken. Here it
                // would be hung up on.
                (b'Q', _) => return None,
                (b'S', _) => asked += 1,
                _ => continue,
            }
            let complete = |row: &[u8]| {
                [
                    message(b'1', b""),
                    message(b'2', b""),
                    row.to_vec(),
                    message(b'C', b"SELECT 1\0"),
                    message(b'Z', b"I"),
                ]
                .concat()
            };
            let nothing = [&8_u16.to_be_bytes()[..], &[0xff; 32]].concat();
            match asked {
                // The role's rights, and the session's name.
                1 | 2 => peer.say(&complete(&message(b'D', &nothing)))?,
                3 => {
                    let column =
                        [b"v\0".as_slice(), &[0; 6], &20_u32.to_be_bytes(), &[0, 8], &[0xff; 4], &[0, 0]];
                    let columns = [&1_u16.to_be_bytes()[..], &column.concat()].concat();
                    let described = [
                        message(b'3', b""),
                        message(b'1', b""),
                        message(b't', &[0, 0]),
                        message(b'T', &columns),
                        message(b'Z', b"I"),
                    ];
                    peer.say(&described.concat())?;
                }
                _ => {
                    peer.say(&message(b'2', b""))?;
                    peer.say(&lie)?;
                    while peer.message().is_some() {}
                }
            }
        }
    })
}

#[test]
fn rows_that_lie_end_the_session_with_a_refusal() {
    let mut allow = Allowances::default();
    allow.allow("no-password");
    let row = |body: &[u8]| message(b'D', body);
    let cases = [
        (row(&[]), "CD0333"),
        (row(&[0, 0]), "CD0333"),
        (row(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0]), "CD0333"),
        (row(&[0, 1, 0x7f, 0xff, 0xff, 0xff, 1]), "CD0333"),
        (row(&[0, 1, 0xff, 0xff, 0xff, 0xfe]), "CD0333"),
        (row(&[0, 1, 0, 0, 0, 1, 7]), "CD0333"),
        (row(&[0, 1, 0xff, 0xff, 0xff, 0xff, 9]), "CD0333"),
        (message(b'?', b"what"), "CD0333"),
        (message(b'Z', b"I"), "CD0333"),
        (vec![b'T', 0x7f, 0xff, 0xff, 0xff], "CD0333"),
        (message(b'N', b"Mnoise\0\0").repeat(2_000), "CD0333"),
        (message(b'S', b"client_encoding\0LATIN1\0"), "CD0333"),
        (message(b'E', b"C57P01\0Mgone\0\0"), "CD0306"),
    ];
    for (lie, expected) in cases {
        let shown = format!("{:?}", &lie[..lie.len().min(12)]);
        let (port, _) = lying(lie);
        let mut session = try_open(settings(port, TlsMode::VerifyFull, allow)).unwrap();
        let refusal = read(&mut *session, "select v", &[]).err().expect("a refusal");
        assert!(refusal.to_string().starts_with(expected), "{shown}: {refusal}");
        assert!(read(&mut *session, "select v", &[]).is_err(), "and stays so");
    }
}
