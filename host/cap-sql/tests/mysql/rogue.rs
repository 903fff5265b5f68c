//! Servers that lie. Each is spoken to as a gateway would be, and what it receives is looked at.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cofferdam_call::{Access, Refusal};
use cofferdam_cap_sql::{Address, ServerSettings, TlsMode};
use cofferdam_ids::Code;
use cofferdam_servers::{Authority, Issued};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::house::{gateway_with, server, settings, try_open};

const PASSWORD: &str = "canary-reader";
const SSL: u32 = 0x800;
/// Protocol 4.1, transactions, secure connections, plugins, and their data with a length.
const FLAGS: u32 = 0x200 | 0x2000 | 0x8000 | 0x8_0000 | 0x20_0000 | 0x100_0000;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// The rogue's side of one connection.
struct Talk {
    stream: Box<dyn Stream>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Talk {
    fn send(&mut self, sequence: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let mut packet = vec![length[0], length[1], length[2], sequence];
        packet.extend_from_slice(payload);
        self.raw(&packet);
    }

    fn raw(&mut self, bytes: &[u8]) {
        // The client may be gone: it should be.
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// One packet of the client's; none where it has hung up.
    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).ok()?;
        let mut payload =
            vec![0; usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16];
        self.received.lock().unwrap().extend_from_slice(&head);
        self.stream.read_exact(&mut payload).ok()?;
        self.received.lock().unwrap().extend_from_slice(&payload);
        Some(payload)
    }

    /// Everything until the client hangs up.
    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = self.stream.read(&mut bytes) {
            self.received.lock().unwrap().extend_from_slice(&bytes[..read]);
        }
    }
}

fn greeting(flags: u32, plugin: &str) -> Vec<u8> {
    let flags = flags.to_le_bytes();
    let mut greeting = b"\x0a8.0.99\0\x07\0\0\0abcdefgh\0".to_vec();
    greeting.extend_from_slice(&[flags[0], flags[1], 45, 2, 0, flags[2], flags[3], 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"ijklmnopqrst\0");
    greeting.extend_from_slice(plugin.as_bytes());
    greeting.push(0);
    greeting
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

struct Rogue {
    settings: ServerSettings,
    received: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Rogue {
    /// A server without TLS, which the gateway has turned off.
    fn plain(talk: impl FnOnce(&mut Talk) + Send + 'static) -> Self {
        let mut rogue = Self::start(None, &Authority::new(), talk);
        rogue.settings.tls.mode = TlsMode::Off;
        rogue
    }

    /// A server that greets, raises the connection to TLS and goes on.
    fn tls(talk: impl FnOnce(&mut Talk) + Send + 'static) -> Self {
        let authority = Authority::new();
        let issued = authority.server(&["localhost"]);
        Self::start(Some(issued), &authority, talk)
    }

    fn start(
        tls: Option<Issued>,
        trusted: &Authority,
        talk: impl FnOnce(&mut Talk) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), trusted.pem()).unwrap();
        let mut settings = settings(server());
        settings.address =
            Address::Tcp { host: "localhost".to_owned(), port: listener.local_addr().unwrap().port() };
        settings.tls.ca = Some(folder.path().join("ca.pem"));
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let log = Arc::clone(&received);
        let thread = std::thread::spawn(move || {
            // `localhost` may be `::1` first; then nobody answers there.
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut one = Talk { stream: Box::new(stream.try_clone().unwrap()), received: log };
            if let Some(issued) = tls {
                one.send(0, &greeting(FLAGS | SSL, "mysql_native_password"));
                one.receive().unwrap();
                one.stream = raised(stream, &issued);
            }
            talk(&mut one);
            one.listen();
        });
        Self { settings, received, thread, _folder: folder }
    }

    /// Opens a session; gives the refusal, and what the rogue received.
    fn meet(self) -> (Refusal, Vec<u8>) {
        let from = Instant::now();
        let refusal = try_open(&gateway_with(self.settings, "reader"), Access::Read).err().unwrap();
        assert!(from.elapsed() < Duration::from_secs(10), "{refusal}");
        self.thread.join().unwrap();
        let received = self.received.lock().unwrap().clone();
        assert!(!holds(&received, PASSWORD), "the password was sent");
        assert!(
            !refusal.message.contains("127.0.0.1") && !refusal.message.contains("localhost"),
            "{refusal}"
        );
        (refusal, received)
    }
}

fn raised(stream: TcpStream, issued: &Issued) -> Box<dyn Stream> {
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    Box::new(rustls::StreamOwned::new(connection, stream))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_server_without_tls_gets_to_hear_nothing() {
    let mut rogue = Rogue::plain(|talk| talk.send(0, &greeting(FLAGS, "mysql_native_password")));
    rogue.settings.tls.mode = TlsMode::VerifyFull;
    let (refusal, received) = rogue.meet();
    assert_eq!(refusal.code, Code(317));
    assert_eq!(
        refusal.message,
        "the server does not offer TLS, or somebody on the way took the offer out; nothing was sent"
    );
    assert!(received.is_empty());
}

#[test]
fn a_server_with_a_wrong_certificate_gets_to_hear_no_user() {
    let authority = Authority::new();
    let stranger = Authority::new();
    for (issued, expected) in [
        (
            authority.server(&["other.example"]),
            "the server's certificate is for another host than the gateway names",
        ),
        (authority.expired(&["localhost"]), "the server's certificate has expired"),
        (
            stranger.server(&["localhost"]),
            "the server's certificate is not signed by an authority that is trusted here; name its authority with `ca`",
        ),
    ] {
        let (refusal, received) = Rogue::start(Some(issued), &authority, |_| {}).meet();
        assert_eq!((refusal.code, refusal.message.as_str()), (Code(317), expected));
        assert!(!holds(&received, "reader"), "the user was named");
    }
}

#[test]
fn bytes_stuffed_before_tls_are_not_taken_for_what_comes_behind_it() {
    let mut rogue = Rogue::plain(|talk| {
        let mut first = greeting(FLAGS | SSL, "mysql_native_password");
        let length = u8::try_from(first.len()).unwrap();
        first.splice(0..0, [length, 0, 0, 0]);
        first.extend_from_slice(&[7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
        talk.raw(&first);
    });
    rogue.settings.tls.mode = TlsMode::VerifyFull;
    let (refusal, received) = rogue.meet();
    assert!(matches!(refusal.code, Code(333 | 317)), "{refusal}");
    assert!(!holds(&received, "reader"));
}

#[test]
fn the_password_in_clear_is_sent_to_nobody_unless_the_gateway_allows_it() {
    let ask = |talk: &mut Talk| {
        talk.receive().unwrap();
        talk.send(3, b"\xfemysql_clear_password\0");
    };
    let (refusal, _) = Rogue::tls(ask).meet();
    assert_eq!(refusal.code, Code(318), "{refusal}");

    let mut allowed = Rogue::tls(ask);
    allowed.settings.allow.password_in_clear_over_tls = true;
    let received = Arc::clone(&allowed.received);
    let driver = gateway_with(allowed.settings, "reader");
    let opening = std::thread::spawn(move || try_open(&driver, Access::Read).is_err());
    let until = Instant::now() + Duration::from_secs(5);
    while !holds(&received.lock().unwrap(), PASSWORD) {
        assert!(Instant::now() < until, "the gateway allows it");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(opening);

    let mut plain = Rogue::plain(|talk| {
        talk.send(0, &greeting(FLAGS, "mysql_native_password"));
        talk.receive().unwrap();
        talk.send(2, b"\xfemysql_clear_password\0");
    });
    plain.settings.allow.password_in_clear_over_tls = true;
    assert_eq!(plain.meet().0.code, Code(318), "not without TLS, whatever is allowed");
}

#[test]
fn no_server_is_asked_for_its_key_or_sent_a_password_under_one() {
    let (refusal, received) = Rogue::plain(|talk| {
        talk.send(0, &greeting(FLAGS, "caching_sha2_password"));
        talk.receive().unwrap();
        // "Not in my cache; log in fully", and a key of its own making.
        talk.send(2, &[1, 4]);
        talk.send(4, b"\x01-----BEGIN PUBLIC KEY-----\nMFww\n-----END PUBLIC KEY-----\n");
    })
    .meet();
    assert_eq!(refusal.code, Code(318), "{refusal}");
    let login = usize::from(received[0]) | usize::from(received[1]) << 8;
    assert_eq!(received.len(), login + 4, "the first answer and nothing more");
}

#[test]
fn a_full_login_by_caching_sha2_password_is_done_inside_tls_only() {
    let rogue = Rogue::tls(|talk| {
        talk.receive().unwrap();
        talk.send(3, b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0");
        assert_eq!(talk.receive().unwrap().len(), 32, "a SHA-256");
        talk.send(5, &[1, 4]);
    });
    let received = Arc::clone(&rogue.received);
    let driver = gateway_with(rogue.settings, "reader");
    let opening = std::thread::spawn(move || try_open(&driver, Access::Read).is_err());
    let until = Instant::now() + Duration::from_secs(5);
    while !holds(&received.lock().unwrap(), PASSWORD) {
        assert!(Instant::now() < until, "inside TLS it is sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(opening);
}

#[test]
fn logins_nobody_knows_and_logins_without_end_are_refused() {
    for plugin in ["mysql_old_password", "sha256_password", "dialog", "parsec", ""] {
        let (refusal, _) = Rogue::tls(move |talk| {
            talk.receive().unwrap();
            talk.send(
                3,
                format!("\u{fe}{plugin}\0abc").chars().map(|c| c as u8).collect::<Vec<_>>().as_slice(),
            );
        })
        .meet();
        assert_eq!(refusal.code, Code(318), "{plugin}: {refusal}");
    }
    let (refusal, _) = Rogue::tls(|talk| {
        talk.receive().unwrap();
        for turn in 0..20 {
            talk.send(3 + turn * 2, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0");
            if talk.receive().is_none() {
                return;
            }
        }
    })
    .meet();
    assert_eq!(refusal.to_string(), "CD0318: the server asks for one login after the other");
}

/// Greets, lets the client in, and answers its first question with `answer`, over and over.
fn answers(answer: &'static [u8], times: usize) -> Rogue {
    Rogue::tls(move |talk| {
        talk.receive().unwrap();
        talk.send(3, OK);
        talk.receive().unwrap();
        for n in 0..times {
            talk.send(u8::try_from((n + 1) % 256).unwrap(), answer);
        }
    })
}

#[test]
fn a_server_that_asks_for_a_file_is_hung_up_on_and_sent_nothing() {
    let (refusal, received) = answers(b"\xfb/etc/passwd", 1).meet();
    assert_eq!(
        refusal.to_string(),
        "CD0333: the server does not keep to MySQL's protocol: it asks for a file of this machine"
    );
    assert!(received.ends_with(b"SHOW GRANTS"), "nothing behind the question");
    assert!(!holds(&received, "root:"));
}

#[test]
fn lies_about_lengths_and_turns_end_the_connection() {
    let flags = FLAGS | SSL;
    let plain = |bytes: Vec<u8>| {
        let mut rogue = Rogue::plain(move |talk| talk.raw(&bytes));
        rogue.settings.tls.mode = TlsMode::VerifyFull;
        rogue.meet()
    };
    // A packet of 16 MiB, announced.
    assert_eq!(plain(vec![0xff, 0xff, 0xff, 0]).0.code, Code(307));
    // One out of its turn.
    let mut late = greeting(flags, "");
    let length = u8::try_from(late.len()).unwrap();
    late.splice(0..0, [length, 0, 0, 5]);
    assert_eq!(plain(late).0.code, Code(333));
    // An empty one, one cut short, another protocol.
    assert_eq!(plain(vec![0, 0, 0, 0]).0.code, Code(333));
    assert_eq!(plain(vec![3, 0, 0, 0, 10, b'8', 0]).0.code, Code(333));
    assert_eq!(plain(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).0.code, Code(333));
    // 65,535 columns; columns that do not come; values beyond the packet.
    for (answer, times) in [
        (&b"\xfc\xff\xff"[..], 1),
        (b"\x01", 3),
        (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 1),
        (b"", 1),
        (b"\x00\xfe", 1),
    ] {
        let (refusal, _) = answers(answer, times).meet();
        assert_eq!(refusal.code, Code(333), "{answer:?}: {refusal}");
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    for (row, times) in
        [(b"\x05hello".to_vec(), 20_000), ([b"\xfd\0\0\x10".as_slice(), &[b'x'; 1 << 20]].concat(), 50)]
    {
        let (refusal, _) = Rogue::tls(move |talk| {
            talk.receive().unwrap();
            talk.send(3, OK);
            talk.receive().unwrap();
            talk.send(1, b"\x01");
            talk.send(2, b"\x03def\0\0\0\x01g\0\x0c\x2d\0\x10\0\0\0\xfd\0\0\0\0\0");
            for n in 3..times {
                talk.send(u8::try_from(n % 256).unwrap(), &row);
            }
        })
        .meet();
        assert_eq!(
            refusal.to_string(),
            "CD0333: the server does not keep to MySQL's protocol: an answer is too long"
        );
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let rogue = Rogue::plain(|talk| talk.listen());
    let cancel = cofferdam_cap_sql::CancelToken::default();
    let driver = gateway_with(rogue.settings, "reader");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            cancel.cancel(Refusal::new(cofferdam_call::FailureKind::Cancelled, Code(411), "stopped"));
        });
        let opened =
            crate::house::open_as(&driver, Access::Read, &cancel, cofferdam_cap_sql::Holder::operator());
        assert_eq!(opened.err().unwrap().code, Code(411));
    });
}

/// A server in between the driver and a real one, which answers every execution with a wish of
/// its own.
#[test]
fn a_file_asked_for_in_the_middle_of_a_session_is_not_sent_either() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut between = settings(server());
    between.tls.mode = TlsMode::Off;
    between.address =
        Address::Tcp { host: "localhost".to_owned(), port: listener.local_addr().unwrap().port() };
    let after = Arc::<Mutex<Vec<u8>>>::default();
    let log = Arc::clone(&after);
    let proxy = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut real = TcpStream::connect(("127.0.0.1", server().port())).unwrap();
        let (mut back, mut forth) = (real.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back, &mut forth));
        let mut bytes = [0; 65_536];
        while let Ok(read @ 1..) = client.read(&mut bytes) {
            if read > 4 && bytes[4] == 0x17 {
                client.write_all(b"\x0c\0\0\x01\xfb/etc/passwd").unwrap();
                while let Ok(read @ 1..) = client.read(&mut bytes) {
                    log.lock().unwrap().extend_from_slice(&bytes[..read]);
                }
                return;
            }
            real.write_all(&bytes[..read]).unwrap();
        }
    });
    let mut session = try_open(&gateway_with(between, "plain"), Access::Read).unwrap();
    assert_eq!(session.query("SELECT 1", &[]).unwrap_err().code, Code(333));
    assert_eq!(session.query("SELECT 1", &[]).unwrap_err().code, Code(306), "the connection is gone");
    proxy.join().unwrap();
    assert!(after.lock().unwrap().is_empty(), "zero bytes");
}

/// Older servers end columns and rows with packets of their own, and say less of types.
#[test]
fn an_older_server_s_rows_are_read_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut older = settings(server());
    older.tls.mode = TlsMode::Off;
    older.address =
        Address::Tcp { host: "localhost".to_owned(), port: listener.local_addr().unwrap().port() };
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut real = TcpStream::connect(("127.0.0.1", server().port())).unwrap();
        let mut first = [0; 4096];
        let read = real.read(&mut first).unwrap();
        let version = 5 + first[5..].iter().position(|byte| *byte == 0).unwrap();
        // The upper half of its abilities: no OK packet behind rows. And none of MariaDB's own.
        first[version + 1 + 4 + 9 + 2 + 3 + 1] &= !1;
        first[version + 1 + 4 + 9 + 2 + 3 + 2 + 1 + 6..][..4].fill(0);
        client.write_all(&first[..read]).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), real.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut up, &mut down));
        let _ = std::io::copy(&mut real, &mut client);
    });
    let mut session = try_open(&gateway_with(older, "plain"), Access::Read).unwrap();
    let (columns, batches) =
        crate::house::query(&mut session, "SELECT seq, CAST(NULL AS CHAR) FROM seq_1_to_5000");
    assert_eq!(columns.len(), 2);
    assert_eq!(batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 5000);
    assert_eq!(crate::house::one(&mut session, "SELECT 1 WHERE 1 = 1"), "1");
    assert!(session.query("SELECT missing FROM nowhere", &[]).is_err());
}
