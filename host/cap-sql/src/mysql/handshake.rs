//! Logs in.
//!
//! In: an open link, the gateway's settings, a credential. Out: a wire that takes commands.
//! Never: says a word about the user before TLS is up where TLS is wanted; offers the server to
//! read files of this machine; asks a server for its RSA key; sends the password itself outside
//! of TLS.
//! Fails: with `CD0317` where the server cannot prove who it is, `CD0318` for a login that is
//! refused or not allowed, `CD0333` for bytes that are not MySQL's.
//! Source: `docs/adr/0016-mysql-driver.md`; MariaDB, "Connection"; MySQL, "Connection Phase".

use std::collections::HashMap;

use cofferdam_call::Refusal;
use mysql_common::{
    auth::plugins::{AuthProc, ChallengeResponsePlugin as _, Context, Response},
    constants::{CapabilityFlags as Flags, MariadbCapabilities},
    packets::{AuthPlugin, HandshakeResponse, SslRequest},
    proto::MySerialize as _,
};

use super::{
    read::{Done, Fields, ServerError},
    wire::{Broken, PACKET_BYTES_MAX, Wire},
};
use crate::{
    net::{Dialer, Wait},
    refusals,
    remote::Credential,
    settings::ServerSettings,
};

/// Without these a server is too old, or none.
const NEEDED: Flags = Flags::CLIENT_PROTOCOL_41
    .union(Flags::CLIENT_SECURE_CONNECTION)
    .union(Flags::CLIENT_PLUGIN_AUTH)
    .union(Flags::CLIENT_TRANSACTIONS);
/// Taken where the server has them. `CLIENT_LOCAL_FILES` and `CLIENT_MULTI_STATEMENTS` are not
/// among them.
const WANTED: Flags = Flags::CLIENT_DEPRECATE_EOF
    .union(Flags::CLIENT_CONNECT_ATTRS)
    .union(Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)
    .union(Flags::CLIENT_FOUND_ROWS);
/// Turns a server may ask for in one login.
const TURNS_MAX: usize = 8;
/// Bytes of a challenge.
const CHALLENGE_BYTES: usize = 20;

/// What the server said first.
#[derive(Debug)]
struct Greeting {
    version: String,
    challenge: Vec<u8>,
    flags: Flags,
    mariadb: MariadbCapabilities,
    plugin: Vec<u8>,
}

/// Whom the wire speaks to.
#[derive(Clone, Debug)]
pub(super) struct Welcome {
    /// Whether it is MariaDB.
    pub(super) is_mariadb: bool,
    /// Rows end with an OK packet instead of an EOF packet, and their columns with nothing.
    pub(super) ends_with_ok: bool,
    /// Columns say more of their types.
    pub(super) extended_types: bool,
}

impl Greeting {
    fn read(packet: &[u8]) -> Result<Self, Refusal> {
        if packet.first() == Some(&0xff) {
            let error = ServerError::read(&packet[1..]).map_err(Broken::refusal)?;
            return Err(super::errors::refusal(&error));
        }
        Self::fields(packet).map_err(Broken::refusal)
    }

    fn fields(packet: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(packet);
        if fields.u8()? != 10 {
            return Err(Broken::Protocol("it greets with another version than 10"));
        }
        let version = String::from_utf8_lossy(fields.until_nul()).into_owned();
        // Its id of the connection; a proxy's is another than the server's, which is asked for later.
        fields.u32()?;
        let mut challenge = fields.take(8)?.to_vec();
        fields.u8()?;
        let low = fields.u16()?;
        // Its collation and the session's status.
        fields.take(3)?;
        let high = fields.u16()?;
        fields.u8()?;
        fields.take(6)?;
        let mariadb = MariadbCapabilities::from_bits_truncate(fields.u32()?);
        let flags = Flags::from_bits_truncate(u32::from(low) | u32::from(high) << 16);
        if !flags.contains(NEEDED) {
            return Err(Broken::Protocol("it is too old"));
        }
        challenge.extend_from_slice(fields.take(CHALLENGE_BYTES - 8)?);
        fields.u8()?;
        let plugin = fields.until_nul().to_vec();
        Ok(Self { version, challenge, flags, mariadb, plugin })
    }
}

/// One login.
pub(super) struct Login<'a> {
    pub(super) dialer: &'a Dialer,
    pub(super) settings: &'a ServerSettings,
    pub(super) credential: &'a Credential,
    pub(super) wait: Wait<'a>,
}

impl Login<'_> {
    /// Dials and logs in.
    pub(super) fn run(&self) -> Result<(Wire, Welcome), Refusal> {
        let mut wire = Wire::new(self.dialer.dial(&self.wait)?);
        wire.read(&self.wait).map_err(Broken::refusal)?;
        let greeting = Greeting::read(wire.packet())?;
        let mut flags = NEEDED | (WANTED & greeting.flags) | Flags::CLIENT_CONNECT_WITH_DB;
        // MariaDB says that it is one by leaving this bit out.
        let is_mariadb = !greeting.flags.contains(Flags::CLIENT_LONG_PASSWORD);
        let extended = MariadbCapabilities::MARIADB_CLIENT_EXTENDED_METADATA;
        let extended_types = is_mariadb && greeting.mariadb.contains(extended);
        let mariadb = if extended_types { extended } else { MariadbCapabilities::empty() };
        if !is_mariadb {
            flags |= Flags::CLIENT_LONG_PASSWORD;
        }
        if self.dialer.wants_tls() {
            flags |= Flags::CLIENT_SSL;
            self.raise(&mut wire, &greeting, flags, mariadb)?;
        }
        self.answer(&mut wire, &greeting, flags, mariadb)?;
        let welcome = Welcome {
            is_mariadb: is_mariadb || greeting.version.contains("MariaDB"),
            ends_with_ok: flags.contains(Flags::CLIENT_DEPRECATE_EOF),
            extended_types,
        };
        Ok((wire, welcome))
    }

    fn raise(
        &self,
        wire: &mut Wire,
        greeting: &Greeting,
        flags: Flags,
        mariadb: MariadbCapabilities,
    ) -> Result<(), Refusal> {
        if !greeting.flags.contains(Flags::CLIENT_SSL) {
            return Err(refusals::untrusted(
                "the server does not offer TLS, or somebody on the way took the offer out; nothing was sent",
            ));
        }
        if wire.has_unread() {
            return Err(refusals::protocol("the server speaks before it is asked"));
        }
        let request = SslRequest::new(flags, bounded(), UTF8MB4).with_mariadb_capabilities(mariadb);
        let mut payload = Vec::new();
        request.serialize(&mut payload);
        wire.send(&payload, &self.wait).map_err(Broken::refusal)?;
        self.dialer.raise(wire.link(), &self.wait)
    }

    fn answer(
        &self,
        wire: &mut Wire,
        greeting: &Greeting,
        flags: Flags,
        mariadb: MariadbCapabilities,
    ) -> Result<(), Refusal> {
        let mut attempt = Attempt::new(self, wire, &greeting.challenge);
        let offered = AuthPlugin::from_bytes(&greeting.plugin).into_owned();
        // A server that would rather ask for something else says so next.
        let plugin = match offered {
            AuthPlugin::CachingSha2Password => offered,
            _ => AuthPlugin::MysqlNativePassword,
        };
        let first = attempt.begin(&plugin, &greeting.challenge)?;
        let name = ("program_name".to_owned(), super::program_name(self.settings));
        let response = HandshakeResponse::new(
            Some(first.unwrap_or_default()),
            (8, 0, 0),
            Some(self.credential.user.as_bytes()),
            Some(self.settings.database.as_bytes()),
            Some(plugin),
            flags,
            flags.contains(Flags::CLIENT_CONNECT_ATTRS).then(|| HashMap::from([name])),
            bounded(),
        );
        let mut payload = Vec::new();
        response.with_mariadb_ext_capabilities(mariadb).serialize(&mut payload);
        attempt.wire.send(&payload, &self.wait).map_err(Broken::refusal)?;
        for _ in 0..TURNS_MAX {
            if attempt.turn()? {
                return Ok(());
            }
        }
        Err(refusals::login("the server asks for one login after the other"))
    }
}

/// `utf8mb4_general_ci`.
const UTF8MB4: u8 = 45;

fn bounded() -> u32 {
    u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX)
}

struct Attempt<'a, 'w> {
    login: &'a Login<'a>,
    wire: &'w mut Wire,
    challenge: Vec<u8>,
    plugin: Option<AuthProc>,
    /// The plugin has said its last word.
    spoken: bool,
}

impl<'a, 'w> Attempt<'a, 'w> {
    fn new(login: &'a Login<'a>, wire: &'w mut Wire, challenge: &[u8]) -> Self {
        Self { login, wire, challenge: challenge.to_vec(), plugin: None, spoken: false }
    }

    /// What a plugin says to its first challenge, where that is allowed.
    fn begin(&mut self, plugin: &AuthPlugin<'_>, challenge: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        self.allow(plugin)?;
        self.plugin = Some(AuthProc::init(plugin).map_err(|_| unknown())?);
        self.spoken = false;
        self.step(challenge)
    }

    fn allow(&self, plugin: &AuthPlugin<'_>) -> Result<(), Refusal> {
        match plugin {
            AuthPlugin::MysqlNativePassword | AuthPlugin::CachingSha2Password | AuthPlugin::Ed25519 => Ok(()),
            AuthPlugin::MysqlClearPassword => {
                if self.login.settings.allow.password_in_clear_over_tls && self.is_tls() {
                    return Ok(());
                }
                Err(refusals::login(
                    "the server asks for the password in clear text; the gateway would have to allow \
                     `password-in-clear-over-tls`, and TLS be on",
                ))
            }
            _ => Err(unknown()),
        }
    }

    fn is_tls(&self) -> bool {
        self.login.dialer.wants_tls()
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        // A full login by `caching_sha2_password` sends the password itself: inside TLS only. The
        // library would ask for a public key otherwise, which anybody on the way could answer.
        if matches!(self.plugin, Some(AuthProc::CachingSha2Password(_))) && challenge == [4] && !self.is_tls()
        {
            return Err(refusals::login(
                "the server asks for the password itself, which is not sent without TLS; turn TLS on",
            ));
        }
        let plugin = self.plugin.as_mut().ok_or_else(unknown)?;
        let (tls, scramble) = (self.login.dialer.wants_tls(), self.challenge.as_slice());
        let mut run = |password: &[u8]| plugin.run(Known { password, tls, scramble }, challenge);
        let said = match &self.login.credential.password {
            Some(password) => password.expose(&mut run),
            None => run(&[]),
        };
        let said = said.map_err(|_| refusals::login("the server's part of the login makes no sense"))?;
        Ok(match said {
            Response::Next { packet } => packet,
            Response::Last { packet } => {
                self.spoken = true;
                packet
            }
        })
    }

    /// One packet of the server's; true where it lets us in.
    fn turn(&mut self) -> Result<bool, Refusal> {
        self.wire.read(&self.login.wait).map_err(Broken::refusal)?;
        let packet = self.wire.packet().to_vec();
        let answer = match packet.split_first() {
            Some((0x00, rest)) => {
                Done::read(rest).map_err(Broken::refusal)?;
                return Ok(true);
            }
            Some((0xff, rest)) => {
                let error = ServerError::read(rest).map_err(Broken::refusal)?;
                return Err(super::errors::login(&error));
            }
            Some((0x01, challenge)) if !self.spoken => self.step(challenge)?,
            Some((0xfe, rest)) if !rest.is_empty() => {
                let mut fields = Fields(rest);
                let plugin = AuthPlugin::from_bytes(fields.until_nul()).into_owned();
                // A challenge may end with a NUL that is not part of it.
                let length = if plugin == AuthPlugin::Ed25519 { 32 } else { CHALLENGE_BYTES };
                let challenge = fields.0[..fields.0.len().min(length)].to_vec();
                self.challenge.clone_from(&challenge);
                Some(self.begin(&plugin, &challenge)?.unwrap_or_default())
            }
            _ => return Err(refusals::login("the server's part of the login makes no sense")),
        };
        if let Some(answer) = answer {
            self.wire.send(&answer, &self.login.wait).map_err(Broken::refusal)?;
        }
        Ok(false)
    }
}

fn unknown() -> Refusal {
    refusals::login(
        "the server asks for a login this driver does not do; give the user `caching_sha2_password` or `ed25519`",
    )
}

/// What the library's plugins may know.
struct Known<'a> {
    password: &'a [u8],
    tls: bool,
    scramble: &'a [u8],
}

impl Context for Known<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.tls
    }

    fn scramble(&self) -> &[u8] {
        self.scramble
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_greeting_or_refused(bytes: Vec<u8>) {
            let _ = Greeting::read(&bytes);
        }

        #[test]
        fn any_bytes_behind_a_greeting_s_version_are_one_or_refused(bytes: Vec<u8>) {
            let _ = Greeting::read(&[b"\x0a8.0.30\0", bytes.as_slice()].concat());
        }
    }
}
