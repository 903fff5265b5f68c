//! Who may log in, how, and as what.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod pg_house;

use cofferdam_call::{Access, FailureKind, Refusal};
use cofferdam_cap_sql::{
    Address, CancelToken, Credential, Holder, ServerSettings, SqlDriver as _, SqlSession, TlsMode,
    TlsSettings,
};
use cofferdam_vault::Secret;
use pg_house::{SERVER, credential, driver_with, one, open_as, settings};

fn try_open(settings: ServerSettings, credential: Credential) -> Result<Box<dyn SqlSession>, Refusal> {
    open_as(&driver_with(settings, credential), Access::Write, &CancelToken::default(), Holder::operator())
}

fn refusal(settings: ServerSettings, credential: Credential) -> String {
    let refusal = try_open(settings, credential).err().expect("a refusal");
    assert_eq!(refusal.kind, FailureKind::Unavailable);
    refusal.to_string()
}

fn plain() -> ServerSettings {
    ServerSettings { tls: TlsSettings { mode: TlsMode::Off, ca: None }, ..settings(&SERVER) }
}

fn unix() -> ServerSettings {
    let socket = SERVER.socket_folder().join(format!(".s.PGSQL.{}", SERVER.port()));
    ServerSettings { address: Address::Unix(socket), ..settings(&SERVER) }
}

fn made(role: &str, grants: &str) -> Credential {
    SERVER.psql(&format!("create role {role} login password 'canary-{role}' {grants}"));
    credential(role)
}

#[test]
fn a_session_says_whom_it_speaks_to() {
    let session = try_open(settings(&SERVER), credential("writer")).unwrap();
    let peer = session.peer();
    assert_eq!(peer.role.as_deref(), Some("writer"));
    let digest = peer.tls.unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
}

#[test]
fn a_unix_socket_and_this_machine_need_no_tls() {
    let how = |settings: ServerSettings| {
        let findings = driver_with(settings, credential("writer")).inspect(Access::Write);
        assert!(findings.iter().all(|finding| finding.is_good()), "{findings:?}");
        findings.iter().map(|finding| finding.text.clone()).collect::<Vec<_>>().join("; ")
    };
    assert!(how(unix()).contains("a Unix socket of this machine"));
    let plain_one = how(plain());
    assert!(plain_one.contains("TLS is off, to this machine itself"), "{plain_one}");
    assert!(plain_one.contains("proved by SCRAM-SHA-256;"), "{plain_one}");
    let mut session = try_open(unix(), credential("writer")).unwrap();
    assert_eq!(one(&mut *session, "select 1"), "1");
    assert_eq!(session.peer().tls, None);
}

#[test]
fn another_machine_is_spoken_to_over_tls_or_by_a_word() {
    let away = |plaintext| {
        let mut settings = plain();
        // A block of addresses nobody has.
        settings.address = Address::Tcp { host: "192.0.2.1".to_owned(), port: 5432 };
        settings.allow.plaintext = plaintext;
        let cancel = CancelToken::default();
        let late = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            late.cancel(Refusal::new(FailureKind::Cancelled, cofferdam_ids::Code(411), "it was tried"));
        });
        let driver = driver_with(settings, credential("writer"));
        open_as(&driver, Access::Read, &cancel, Holder::operator()).err().unwrap().to_string()
    };
    assert!(
        away(false).starts_with("CD0317: the gateway turns TLS off, but the server is on another machine")
    );
    let tried = away(true);
    assert!(tried == "CD0411: it was tried" || tried == "CD0306: the warehouse does not answer", "{tried}");
}

#[test]
fn a_login_that_fails_says_so_without_the_servers_words() {
    let wrong = Credential { user: "writer".to_owned(), password: Some(Secret::new(b"wrong".to_vec())) };
    let none = Credential { user: "writer".to_owned(), password: None };
    let nowhere = ServerSettings { database: "nowhere".to_owned(), ..settings(&SERVER) };
    let stranger = ServerSettings { tls: TlsSettings::default(), ..settings(&SERVER) };
    let unknown = ServerSettings {
        address: Address::Tcp { host: "no-such-host.invalid".to_owned(), port: 1 },
        ..settings(&SERVER)
    };
    assert_eq!(
        [
            refusal(settings(&SERVER), wrong),
            refusal(settings(&SERVER), none),
            refusal(nowhere, credential("writer")),
            refusal(settings(&SERVER), Credential { user: "postgres".to_owned(), ..credential("writer") }),
            refusal(unix(), Credential { user: "postgres".to_owned(), ..credential("writer") }),
            refusal(stranger, credential("writer")).split(';').next().unwrap_or_default().to_owned(),
            refusal(unknown, credential("writer")),
        ],
        [
            "CD0318: the warehouse refuses the gateway's role or its password",
            "CD0318: the server asks for a password, and the gateway has none for this mode",
            "CD0306: the gateway's database does not exist",
            "CD0318: the warehouse refuses the gateway's role: it may not log in from here, or not in this way",
            "CD0318: the server lets the role in without proving that it knows its password; use `scram-sha-256` in \
             the server's pg_hba.conf, or let the gateway allow `no-password`",
            "CD0317: the server's certificate is not signed by an authority that is trusted here",
            "CD0306: the warehouse's host name is not known",
        ]
    );
}

#[test]
fn a_role_that_may_do_too_much_is_refused_unless_a_word_allows_it() {
    let roles = [
        ("superuser", credential("superuser"), "superuser", "is a superuser, or can become one"),
        ("maker", made("maker", "createrole"), "superuser", "may make roles"),
        ("copier", made("copier", "replication"), "superuser", "may replicate the whole server"),
        ("unseen", made("unseen", "bypassrls"), "superuser", "is not held by row security"),
        (
            "filer",
            made("filer", "in role pg_read_server_files"),
            "server-files",
            "may read or write files of the server",
        ),
        (
            "runner",
            made("runner", "in role pg_execute_server_program"),
            "server-programs",
            "may run programs on the server",
        ),
    ];
    for (name, credential, word, text) in roles {
        let again = Credential { user: name.to_owned(), ..pg_house::credential(name) };
        let expected = format!(
            "CD0319: the gateway's role {text}; make a role with fewer rights, or let the gateway allow `{word}`"
        );
        assert_eq!(refusal(settings(&SERVER), credential), expected);
        let mut allowed = settings(&SERVER);
        allowed.allow.allow(word);
        assert!(try_open(allowed, again).is_ok(), "{name}");
    }
    // Rights of a role it can become count like its own.
    SERVER.psql(
        "create role boss superuser; create role heir login noinherit password 'canary-heir' in role boss",
    );
    assert!(refusal(settings(&SERVER), credential("heir")).contains("is a superuser, or can become one"));
}

#[test]
fn a_session_is_what_the_settings_say() {
    let mut session = try_open(settings(&SERVER), credential("writer")).unwrap();
    let text = "select concat_ws('|', current_setting('search_path'), current_setting('client_encoding'), \
                current_setting('TimeZone'), current_setting('DateStyle'), current_setting('standard_conforming_strings'), \
                current_setting('statement_timeout'), current_setting('lock_timeout'), \
                current_setting('idle_in_transaction_session_timeout'))";
    assert_eq!(one(&mut *session, text), "\"analytics\", pg_temp|UTF8|UTC|ISO, YMD|on|1min|5s|1min");
    let ssl = "select ssl::text || version from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(one(&mut *session, ssl), "trueTLSv1.3");
}

#[test]
fn a_session_works_in_the_servers_time_zone_only_where_the_gateway_says_so() {
    SERVER.psql("create role berliner login password 'canary-berliner'; alter role berliner set timezone = 'Europe/Berlin'");
    let shown = |zone_of_server| {
        let settings = ServerSettings { zone_of_server, ..settings(&SERVER) };
        let mut session = try_open(settings, credential("berliner")).unwrap();
        one(
            &mut *session,
            "select concat_ws('|', current_setting('TimeZone'), '2024-07-01 00:30+02'::timestamptz::date)",
        )
    };
    assert_eq!(shown(false), "UTC|2024-06-30");
    assert_eq!(shown(true), "Europe/Berlin|2024-07-01");
}
