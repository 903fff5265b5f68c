//! What attempts of the same run left beside their logs, for the one who may read it.

use std::io;

use cofferdam_call::KeptAttempt;

/// One page of attempts, and the files they kept, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptPage {
    /// The last attempt of each task, by task.
    pub attempts: Vec<KeptAttempt>,
    /// The files' bytes, in the attempts' order.
    pub bytes: Vec<u8>,
    /// Whether there are more attempts behind them.
    pub more: bool,
}

/// Where the results of attempts lie. It knows by itself whose run it is: nothing a guest says can
/// lead it to another's.
pub trait Earlier: Send {
    /// The last attempt of each task whose id starts with `start` and comes after `after`, each with
    /// its file `name`: at most
    /// [`KEPT_PAGE_ATTEMPTS_MAX`](cofferdam_call::KEPT_PAGE_ATTEMPTS_MAX) and, but for the first one,
    /// [`KEPT_PAGE_BYTES_MAX`](cofferdam_call::KEPT_PAGE_BYTES_MAX).
    fn kept(&mut self, name: &str, start: &str, after: Option<&str>) -> io::Result<KeptPage>;
}

/// Knows of no attempt.
pub struct NothingEarlier;

impl Earlier for NothingEarlier {
    fn kept(&mut self, _name: &str, _start: &str, _after: Option<&str>) -> io::Result<KeptPage> {
        Ok(KeptPage::default())
    }
}
