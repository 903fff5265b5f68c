//! Connects, settles the session's settings, and cleans it for the next tenant.

use std::time::Duration;

use cofferdam_call::{Access, Refusal};

use super::{
    CONNECT,
    connection::{Client, Problem, TextRow},
    errors,
    handshake::Login,
    preflight,
};
use crate::{
    cancel::CancelToken,
    driver::{Finding, Peer},
    net::{Dialer, Wait},
    pool::Connect,
    refusals,
    remote::Credential,
    settings::ServerSettings,
};

/// How long cleaning may take.
const RESET: Duration = Duration::from_secs(5);
/// Who is logged in, with which role, in which database, and which connection it is.
const WHO: &str = "SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE(), CONNECTION_ID(), @@max_allowed_packet";

/// A connection that is logged in and settled.
pub(super) struct Held {
    pub(super) client: Client,
    pub(super) peer: Peer,
    /// The server's id of the connection.
    pub(super) id: u64,
    /// Bytes of one command the server takes.
    pub(super) packet_bytes: usize,
    who: TextRow,
    access: Access,
}

/// How connections of one gateway are made.
pub(super) struct Connector {
    pub(super) settings: ServerSettings,
    dialer: Dialer,
    /// Whether the fence's table was seen.
    pub(super) fence_seen: std::sync::atomic::AtomicBool,
}

impl Connector {
    pub(super) fn new(settings: ServerSettings) -> Self {
        let dialer =
            Dialer::new(settings.address.clone(), settings.tls.clone(), settings.allow.plaintext, None);
        Self { settings, dialer, fence_seen: false.into() }
    }

    /// Logs in, and nothing more.
    pub(super) fn login(&self, credential: &Credential, wait: Wait<'_>) -> Result<Client, Refusal> {
        let login = Login { dialer: &self.dialer, settings: &self.settings, credential, wait };
        let (wire, welcome) = login.run()?;
        Ok(Client::new(wire, welcome))
    }

    /// What an operator should know of a credential.
    pub(super) fn inspect(&self, access: Access, credential: &Credential) -> Result<Vec<Finding>, Refusal> {
        let forever = CancelToken::default();
        let wait = Wait::at_most(&forever, CONNECT);
        let mut client = self.login(credential, wait)?;
        let certificate = client.certificate();
        let server = if client.is_mariadb() { "MariaDB" } else { "MySQL" };
        let tls = match certificate {
            Some(digest) => format!("{server} answers over TLS; the SHA-256 of its certificate is {digest}"),
            None => format!("{server} answers without TLS, as the gateway says"),
        };
        let mut findings = vec![Finding::good(tls)];
        findings.extend(preflight::findings(&mut client, access, &self.settings, &wait)?);
        Ok(findings)
    }

    fn settle(&self, client: &mut Client, access: Access, wait: &Wait<'_>) -> Result<(), Problem> {
        let statement_ms = self.settings.statement_timeout.as_millis();
        let lock_s = self.settings.lock_timeout.as_secs().clamp(1, 31_536_000);
        // Only MariaDB stops statements that change rows; for MySQL's the driver's own clock does.
        let limit = if client.is_mariadb() {
            format!("max_statement_time = {}", self.settings.statement_timeout.as_secs_f64())
        } else {
            format!("max_execution_time = {}", statement_ms.min(u128::from(u32::MAX)))
        };
        // A reader that takes its time is not to be hung up on.
        let patience_s = (statement_ms / 1000).clamp(60, 86_400);
        let mode = if access == Access::Read { "READ ONLY" } else { "READ WRITE" };
        for text in [
            "SET NAMES utf8mb4".to_owned(),
            format!(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                 ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
                 sql_auto_is_null = 0, sql_safe_updates = 0, sql_select_limit = 18446744073709551615, \
                 innodb_lock_wait_timeout = {lock_s}, lock_wait_timeout = {lock_s}, \
                 net_write_timeout = {patience_s}, net_read_timeout = {patience_s}, {limit}"
            ),
            format!("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode}"),
        ] {
            client.ours(&text, wait)?;
        }
        Ok(())
    }

    fn who(client: &mut Client, wait: &Wait<'_>) -> Result<TextRow, Problem> {
        Ok(client.ask(WHO, wait)?.pop().unwrap_or_default())
    }

    fn clean(&self, held: &mut Held) -> Result<bool, Problem> {
        let forever = CancelToken::default();
        let wait = Wait::at_most(&forever, RESET);
        held.client.reset(&self.settings.database, &wait)?;
        self.settle(&mut held.client, held.access, &wait)?;
        Ok(Self::who(&mut held.client, &wait)? == held.who)
    }
}

impl Connect for Connector {
    type Connection = Held;

    fn connect(
        &self,
        access: Access,
        credential: &Credential,
        cancel: &CancelToken,
    ) -> Result<Held, Refusal> {
        let wait = Wait::at_most(cancel, CONNECT);
        let mut client = self.login(credential, wait)?;
        preflight::check(&mut client, &self.settings, &wait)?;
        self.settle(&mut client, access, &wait).map_err(errors::of)?;
        let who = Self::who(&mut client, &wait).map_err(errors::of)?;
        let number = |n: usize| who.get(n).and_then(Option::as_ref).and_then(|text| text.parse::<u64>().ok());
        let (Some(id), Some(packet)) = (number(3), number(4)) else {
            return Err(refusals::protocol("the server does not say who is logged in"));
        };
        let peer = Peer { role: who.first().cloned().flatten(), tls: client.certificate() };
        let packet_bytes = usize::try_from(packet).unwrap_or(usize::MAX);
        Ok(Held { client, peer, id, packet_bytes, who, access })
    }

    fn reset(&self, held: &mut Held) -> bool {
        held.client.is_idle() && self.clean(held).unwrap_or(false)
    }
}
