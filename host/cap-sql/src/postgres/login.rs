//! From an open socket to a session: TLS, login, settings.
//!
//! In: the gateway's settings and a credential. Out: a [`Conn`] at rest.
//! Never: sends a password in clear or as MD5, or takes a login that proved nothing, unless the
//! gateway allows that in words; takes a login without channel binding where the server offers one.
//! Fails: with `CD0306`, `CD0317`, `CD0318` or `CD0333`.
//! Source: RFC 5802, RFC 7677; PostgreSQL documentation, "Start-up" and "SASL Authentication".

use std::time::Duration;

use cofferdam_call::{Access, Refusal};
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256},
    },
    message::frontend,
};

use super::{
    conn::{Conn, Login},
    errors::ServerError,
    wire::{Wire, WireError},
};
use crate::{
    cancel::CancelToken,
    net::{Dialer, Wait},
    refusals,
    remote::{Allowances, Credential},
    settings::ServerSettings,
};

/// A connection is ready within this, or it is given up.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Rounds of SCRAM's hash: fewer let a password be guessed (RFC 7677 §4), more keep us busy.
const ROUNDS: std::ops::RangeInclusive<u32> = 4_096..=100_000;
/// Messages of one login.
const LOGIN_MESSAGES_MAX: usize = 300;

/// Opens a session.
pub(super) fn connect(
    settings: &ServerSettings,
    dialer: &Dialer,
    access: Access,
    credential: &Credential,
    cancel: &CancelToken,
) -> Result<Conn, Refusal> {
    let wait = Wait::at_most(cancel, READY_WITHIN);
    let mut wire = Wire::new(open(dialer, &wait)?);
    let mut login =
        Login { role: credential.user.clone(), tls: wire.link.peer_certificate(), ..Login::default() };
    start(&mut wire, settings, access, &credential.user, &wait)?;
    authenticate(&mut wire, &mut login, credential, settings.allow, &wait)?;
    settle(&mut wire, &mut login, &wait)?;
    if wire.has_more() {
        return Err(refusals::protocol("the server says more than it was asked after the login"));
    }
    wire.widen();
    Ok(Conn::new(wire, login))
}

/// Opens the socket and, where it is wanted, raises it to TLS.
pub(super) fn open(dialer: &Dialer, wait: &Wait<'_>) -> Result<crate::net::Link, Refusal> {
    let mut link = dialer.dial(wait)?;
    if dialer.wants_tls() {
        let mut request = bytes::BytesMut::new();
        frontend::ssl_request(&mut request);
        link.write(&request, wait).map_err(|error| error.refusal())?;
        // Exactly one byte: whatever was stuffed behind it is read by TLS, which refuses it.
        let mut answer = [0];
        link.read(&mut answer, wait).map_err(|error| error.refusal())?;
        match answer {
            [b'S'] => dialer.raise(&mut link, wait)?,
            [b'N' | b'E'] => {
                return Err(refusals::untrusted(
                    "the server does not speak TLS; nothing was sent to it. Turn TLS on in the server",
                ));
            }
            _ => return Err(refusals::protocol("the server's answer to the request for TLS is none")),
        }
    }
    Ok(link)
}

fn start(
    wire: &mut Wire,
    settings: &ServerSettings,
    access: Access,
    user: &str,
    wait: &Wait<'_>,
) -> Result<(), Refusal> {
    let millis = |time: Duration| time.as_millis().min(i32::MAX as u128).to_string();
    let statement_timeout = millis(settings.statement_timeout);
    let lock_timeout = millis(settings.lock_timeout);
    // `pg_catalog` is searched first unless it is named; temporary relations last.
    let search_path = format!("{}, pg_temp", super::quoted(&settings.schema)?);
    let name = super::application_name(&settings.owner_tag, None);
    let read_only = if access == Access::Read { "on" } else { "off" };
    let parameters = [
        ("user", user),
        ("database", &settings.database),
        ("application_name", &name),
        ("client_encoding", "UTF8"),
        ("search_path", &search_path),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("standard_conforming_strings", "on"),
        ("client_min_messages", "error"),
        ("statement_timeout", &statement_timeout),
        ("lock_timeout", &lock_timeout),
        ("idle_in_transaction_session_timeout", &statement_timeout),
        ("default_transaction_read_only", read_only),
    ];
    let parameters =
        parameters.into_iter().filter(|(name, _)| !settings.zone_of_server || *name != "TimeZone");
    frontend::startup_message(parameters, &mut wire.out)
        .map_err(|_| refusals::unavailable("the gateway's role or database holds a NUL character"))?;
    wire.flush(wait).map_err(WireError::refusal)
}

/// What the server asks for.
enum Ask {
    Done,
    Clear,
    Md5([u8; 4]),
    Sasl(Vec<String>),
}

fn authenticate(
    wire: &mut Wire,
    login: &mut Login,
    credential: &Credential,
    allow: Allowances,
    wait: &Wait<'_>,
) -> Result<(), Refusal> {
    match ask(wire, wait)? {
        Ask::Done if allow.no_password => {
            login.how = "nothing: the server asked for no password";
            return Ok(());
        }
        Ask::Done => {
            return Err(refusals::login(
                "the server lets the role in without proving that it knows its password; use `scram-sha-256` \
                 in the server's pg_hba.conf, or let the gateway allow `no-password`",
            ));
        }
        Ask::Clear if allow.password_in_clear_over_tls && wire.link.is_tls() => {
            login.how = "a password in clear over TLS";
            password(credential)?.expose(|bytes| send_password(wire, bytes, wait))?;
        }
        Ask::Clear => {
            return Err(refusals::login(
                "the server asks for the password in clear; it was not sent. Use `scram-sha-256`, or let the \
                 gateway allow `password-in-clear-over-tls`",
            ));
        }
        Ask::Md5(salt) if allow.md5_password => {
            login.how = "an MD5 password";
            let hash =
                password(credential)?.expose(|bytes| md5_hash(credential.user.as_bytes(), bytes, salt));
            send_password(wire, hash.as_bytes(), wait)?;
        }
        Ask::Md5(_) => {
            return Err(refusals::login(
                "the server asks for an MD5 password; it was not sent. Use `scram-sha-256`, or let the gateway \
                 allow `md5-password`",
            ));
        }
        Ask::Sasl(mechanisms) => scram(wire, login, credential, &mechanisms, wait)?,
    }
    match ask(wire, wait)? {
        Ask::Done => Ok(()),
        _ => Err(refusals::login("the server asks for a second password; none was sent")),
    }
}

fn password(credential: &Credential) -> Result<&cofferdam_vault::Secret, Refusal> {
    credential.password.as_ref().ok_or_else(|| {
        refusals::login("the server asks for a password, and the gateway has none for this mode")
    })
}

fn send_password(wire: &mut Wire, bytes: &[u8], wait: &Wait<'_>) -> Result<(), Refusal> {
    frontend::password_message(bytes, &mut wire.out)
        .map_err(|_| refusals::login("the gateway's password holds a NUL character"))?;
    wire.flush(wait).map_err(WireError::refusal)
}

fn ask(wire: &mut Wire, wait: &Wait<'_>) -> Result<Ask, Refusal> {
    let (kind, body) = login_message(wire, wait)?;
    Ok(match (kind, body.as_slice()) {
        (0, []) => Ask::Done,
        (3, []) => Ask::Clear,
        (5, &[a, b, c, d]) => Ask::Md5([a, b, c, d]),
        (10, list) => {
            let text = String::from_utf8_lossy(list);
            Ask::Sasl(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
        _ => {
            return Err(refusals::login(
                "the server asks for a login other than SCRAM; use `scram-sha-256` in its pg_hba.conf",
            ));
        }
    })
}

/// The number and the rest of an `Authentication…` message.
fn login_message(wire: &mut Wire, wait: &Wait<'_>) -> Result<(u32, Vec<u8>), Refusal> {
    let (tag, body) = wire.answer(wait, |_, _| Ok(())).map_err(WireError::refusal)?;
    let body = wire.body(&body);
    match (tag, body.split_first_chunk::<4>()) {
        (b'R', Some((kind, rest))) => Ok((u32::from_be_bytes(*kind), rest.to_vec())),
        (b'E', _) => Err(ServerError::read(body).at_login()),
        _ => Err(refusals::protocol("the server does not speak of the login when it should")),
    }
}

fn scram(
    wire: &mut Wire,
    login: &mut Login,
    credential: &Credential,
    mechanisms: &[String],
    wait: &Wait<'_>,
) -> Result<(), Refusal> {
    let offers = |name: &str| mechanisms.iter().any(|offered| offered == name);
    let (mechanism, binding) = if wire.link.is_tls() && offers(SCRAM_SHA_256_PLUS) {
        let data = wire.link.channel_binding().ok_or_else(|| {
            refusals::login(
                "the server's certificate is signed in a way that cannot be bound to the login; sign it with \
                 RSA or ECDSA",
            )
        })?;
        login.how = "SCRAM-SHA-256 bound to the TLS connection";
        (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(data))
    } else if offers(SCRAM_SHA_256) {
        login.how = "SCRAM-SHA-256";
        // With TLS the server is told that we could have: one that can too notices that its
        // offer was taken away.
        let could = wire.link.is_tls();
        let binding = if could { ChannelBinding::unrequested() } else { ChannelBinding::unsupported() };
        (SCRAM_SHA_256, binding)
    } else {
        return Err(refusals::login("the server offers no way to log in that is known here"));
    };
    let mut scram = password(credential)?.expose(|bytes| ScramSha256::new(bytes, binding));
    let cannot = |_| refusals::login("the login cannot be written");
    frontend::sasl_initial_response(mechanism, scram.message(), &mut wire.out).map_err(cannot)?;
    wire.flush(wait).map_err(WireError::refusal)?;

    let (11, challenge) = login_message(wire, wait)? else {
        return Err(refusals::login("the server ends the login before it has begun"));
    };
    if !rounds(&challenge).is_some_and(|rounds| ROUNDS.contains(&rounds)) {
        return Err(refusals::login(
            "the server asks for fewer than 4,096 or more than 100,000 rounds of SCRAM; the password was not used",
        ));
    }
    let wrong = |_| refusals::login("the server's part of the login is wrong");
    scram.update(&challenge).map_err(wrong)?;
    frontend::sasl_response(scram.message(), &mut wire.out).map_err(cannot)?;
    wire.flush(wait).map_err(WireError::refusal)?;

    let (12, proof) = login_message(wire, wait)? else {
        return Err(refusals::login("the server does not prove that it knows the password"));
    };
    scram.finish(&proof).map_err(|_| {
        refusals::login("the server does not prove that it knows the password: it is not the one it says")
    })
}

/// `i=` of `r=…,s=…,i=…`.
fn rounds(challenge: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(challenge).ok()?;
    text.split(',').nth(2)?.strip_prefix("i=")?.parse().ok()
}

/// Reads to the end of the start and checks the settings that decide what values mean.
fn settle(wire: &mut Wire, login: &mut Login, wait: &Wait<'_>) -> Result<(), Refusal> {
    let mut settings = Vec::new();
    for _ in 0..LOGIN_MESSAGES_MAX {
        let keep = |name: &[u8], value: &[u8]| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            settings.push((text(name), text(value)));
            Ok(())
        };
        let (tag, body) = wire.answer(wait, keep).map_err(WireError::refusal)?;
        match (tag, wire.body(&body)) {
            (b'K', &[a, b, c, d, ref key @ ..]) if key.len() == 4 => {
                login.process = i32::from_be_bytes([a, b, c, d]);
                login.key = i32::from_be_bytes([key[0], key[1], key[2], key[3]]);
            }
            (b'Z', b"I") => return check(login, settings),
            (b'E', error) => return Err(ServerError::read(error).at_login()),
            _ => return Err(refusals::protocol("the server starts a session in an unknown way")),
        }
    }
    Err(refusals::protocol("the server never ends the start of a session"))
}

fn check(login: &mut Login, settings: Vec<(String, String)>) -> Result<(), Refusal> {
    let of = |name: &str| settings.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let needed =
        [("client_encoding", "UTF8"), ("standard_conforming_strings", "on"), ("integer_datetimes", "on")];
    for (name, value) in needed {
        if of(name) != Some(value) {
            return Err(refusals::protocol(format!("the server does not take `{name} = {value}`")));
        }
    }
    if login.process == 0 {
        return Err(refusals::protocol("the server gives no means of stopping a statement"));
    }
    login.version = of("server_version").unwrap_or_default().to_owned();
    login.encoding = of("server_encoding").unwrap_or_default().to_owned();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_read_where_the_challenge_is_one() {
        assert_eq!(rounds(b"r=abc,s=QSXCR+Q6sek8bf92,i=4096"), Some(4096));
        assert_eq!(rounds(b"r=abc,s=QSXCR+Q6sek8bf92,i=99999999999"), None);
        assert_eq!(rounds(b"i=4096"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_challenge_has_rounds_or_none(bytes: Vec<u8>) {
            let _ = rounds(&bytes);
        }
    }
}
