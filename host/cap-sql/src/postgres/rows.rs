//! Rows of queries: read as they are asked for, kept where another statement comes between.
//!
//! The server sends as fast as its socket is read, so a reader that is slow holds it back. One
//! query is read from the connection at a time; what is left of it when another statement comes is
//! read into memory first, within [`KEPT_BYTES_MAX`].

use std::collections::{HashMap, VecDeque};

use cofferdam_call::Refusal;

use super::{
    conn::Conn,
    decode::{Frames, RowFault, too_long},
    errors::Fault,
    wire::TOO_LONG,
};
use crate::{driver::RowsId, net::Wait, refusals};

/// Bytes of frames that are kept for rows nobody has read yet, per session.
pub(super) const KEPT_BYTES_MAX: usize = 16 << 20;

/// Frames of one query that are ready.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) frames: VecDeque<(Vec<u8>, u64)>,
    /// Why there are no more, where that is not because there are none.
    pub(super) broken: Option<Refusal>,
}

/// The query that is read from the connection.
pub(super) struct Stream {
    pub(super) id: RowsId,
    pub(super) frames: Frames,
    /// Whether its transaction is its own, to be committed behind it.
    pub(super) wrapped: bool,
    /// For the place of an error.
    pub(super) statement: String,
    /// Whether a frame with rows was made.
    pub(super) has_rows: bool,
}

/// All rows of a session that are not read yet.
#[derive(Default)]
pub(super) struct RowsOpen {
    kept: HashMap<RowsId, Kept>,
    last: u64,
}

impl RowsOpen {
    pub(super) fn new_id(&mut self) -> RowsId {
        self.last += 1;
        RowsId(self.last)
    }

    pub(super) fn bytes(&self) -> usize {
        self.kept.values().flat_map(|kept| &kept.frames).map(|(frame, _)| frame.len()).sum()
    }

    pub(super) fn of(&mut self, rows: RowsId) -> &mut Kept {
        self.kept.entry(rows).or_default()
    }

    pub(super) fn close(&mut self, rows: RowsId) {
        self.kept.remove(&rows);
    }

    /// The next frame that is ready; none where it has to be read, if rows of that name are open.
    pub(super) fn next(&mut self, rows: RowsId) -> Result<Option<(Vec<u8>, u64)>, Refusal> {
        let Some(kept) = self.kept.get_mut(&rows) else {
            return Err(refusals::out_of_turn("these rows are closed"));
        };
        match (kept.frames.pop_front(), &kept.broken) {
            (None, Some(refusal)) => Err(refusal.clone()),
            (frame, _) => Ok(frame),
        }
    }
}

impl Stream {
    /// Reads one more frame; gives the number of rows in it and whether it is the last.
    pub(super) fn fill(
        &mut self,
        conn: &mut Conn,
        frame: &mut Vec<u8>,
        wait: &Wait<'_>,
    ) -> Result<(u64, bool), Fault> {
        loop {
            let (tag, at) = conn.next(wait)?;
            match tag {
                b'D' => {
                    let full = !self.frames.has_room(at.len())?;
                    let rows = self.frames.rows();
                    if full {
                        self.frames.finish(false, frame)?;
                        self.has_rows = true;
                    }
                    match self.frames.push(conn.wire.body(&at)) {
                        Ok(()) => {}
                        Err(RowFault::Refused(refusal)) => return Err(Fault::Here(refusal)),
                        Err(RowFault::Malformed) => {
                            return Err(conn.breach("a row is not of the columns the server announced"));
                        }
                    }
                    if full {
                        return Ok((rows, false));
                    }
                }
                b'C' => {
                    conn.ready(wait)?;
                    let rows = self.frames.rows();
                    if rows == 0 {
                        self.frames.finish_empty(frame)?;
                    } else {
                        self.frames.finish(true, frame)?;
                    }
                    return Ok((rows, true));
                }
                TOO_LONG => return Err(Fault::Here(too_long())),
                _ => return Err(conn.breach("the server sends something else than rows")),
            }
        }
    }

    /// Reads past what is left, without keeping it.
    pub(super) fn skip(conn: &mut Conn, wait: &Wait<'_>) -> Result<(), Fault> {
        loop {
            match conn.next(wait)?.0 {
                b'D' | TOO_LONG => {}
                b'C' => return conn.ready(wait),
                _ => return Err(conn.breach("the server sends something else than rows")),
            }
        }
    }
}
