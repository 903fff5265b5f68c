//! Stops what the warehouse is doing, and looks whether it has stopped.

use std::time::{Duration, Instant};

use cofferdam_call::Refusal;

use super::{
    connect::Connector,
    connection::{Client, Problem},
    errors,
};
use crate::{cancel::CancelToken, net::Wait, remote::Credential};

/// How long all of it may take.
const STOP: Duration = Duration::from_secs(5);
/// How long a statement is given to end before its connection is.
const GENTLE: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Stops a statement over a second connection, and only the statement; true where it is asked.
pub(super) fn statement(connector: &Connector, credential: &Credential, id: u64) -> bool {
    let forever = CancelToken::default();
    let wait = Wait::at_most(&forever, STOP);
    let Ok(mut second) = connector.login(credential, wait) else { return false };
    second.ours(&format!("KILL QUERY {id}"), &wait).is_ok()
}

/// Ends a connection of ours and what it runs; true where the server no longer has it.
///
/// `first` is the connection itself, hung up on once its statement is asked to end: then the server
/// undoes its transaction, and it is gone when that is done.
pub(super) fn session(connector: &Connector, credential: &Credential, first: &mut Client, id: u64) -> bool {
    let forever = CancelToken::default();
    let wait = Wait::at_most(&forever, STOP);
    let second = connector.login(credential, wait);
    let Ok(mut second) = second else {
        first.close();
        return false;
    };
    let asked = second.ours(&format!("KILL QUERY {id}"), &wait);
    first.close();
    asked.is_ok_or_gone() && end(&mut second, id, &wait).unwrap_or(false)
}

trait Asked {
    fn is_ok_or_gone(&self) -> bool;
}

impl<T> Asked for Result<T, Problem> {
    fn is_ok_or_gone(&self) -> bool {
        match self {
            Ok(_) => true,
            Err(Problem::Server(error)) => error.code == errors::NO_THREAD,
            Err(Problem::Broken(_)) => false,
        }
    }
}

/// Waits until a connection is gone, and ends it when that takes long; true where it is gone.
pub(super) fn end(client: &mut Client, id: u64, wait: &Wait<'_>) -> Result<bool, Refusal> {
    let since = Instant::now();
    let mut killed = false;
    loop {
        let question = format!("SELECT 1 FROM information_schema.processlist WHERE id = {id}");
        if client.ask(&question, wait).map_err(errors::of)?.is_empty() {
            return Ok(true);
        }
        if since.elapsed() >= STOP {
            return Ok(false);
        }
        if !killed && since.elapsed() >= GENTLE {
            killed = true;
            let asked = client.ours(&format!("KILL {id}"), wait);
            if !asked.is_ok_or_gone() {
                return Ok(false);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
