//! Rows of a query: read from the socket as their frames are asked for.

use std::{collections::VecDeque, time::Duration};

use cofferdam_call::{COLUMNS_MAX, Column, Refusal};

use super::{
    connection::{Outcome, Prepared, Problem},
    decode::Decoder,
    session::Session,
    stop,
    wire::Broken,
};
use crate::{cancel::CancelToken, driver::RowsId, frames::FrameWriter, net::Wait, refusals};

/// Bytes of frames that are kept for rows nobody has read yet, per session.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Bytes of rows nobody wants that are read before the server is asked to stop.
const SKIPPED_BYTES_MAX: usize = 4 << 20;
/// How long that may take.
const SKIP: Duration = Duration::from_secs(5);

/// Frames of one query that are ready.
#[derive(Default)]
pub(super) struct Kept {
    frames: VecDeque<(Vec<u8>, u64)>,
    /// Why there are no more, where that is not because there are none.
    broken: Option<Refusal>,
}

/// A query whose rows are still on their way.
pub(super) struct Active {
    pub(super) id: RowsId,
    prepared: Prepared,
    decoder: Decoder,
    writer: FrameWriter,
    /// A frame with rows is out.
    has_rows: bool,
}

impl Session {
    /// Refuses another query where too much is kept already.
    pub(super) fn room_for_rows(&self) -> Result<(), Refusal> {
        if self.kept_bytes() <= KEPT_BYTES_MAX {
            return Ok(());
        }
        Err(refusals::unread("too many rows are open and not read yet; read or close them first"))
    }

    fn kept_bytes(&self) -> usize {
        self.kept.values().flat_map(|kept| &kept.frames).map(|(frame, _)| frame.len()).sum()
    }

    /// Executes a query.
    pub(super) fn rows(
        &mut self,
        prepared: Prepared,
        command: &[u8],
    ) -> Result<(RowsId, Vec<Column>), Refusal> {
        let outcome = self.run(|client, wait| client.execute(command, wait));
        let definitions = match outcome {
            Ok(Outcome::Rows(definitions)) => definitions,
            Ok(Outcome::Done(_)) => {
                self.forget(prepared);
                return Err(self.wrong_way("the statement returns no rows: execute it"));
            }
            Err(refusal) => {
                self.forget(prepared);
                return Err(refusal);
            }
        };
        let decoder = Decoder::new(definitions);
        let columns = decoder.columns();
        let many = refusals::limit(format!("a result has at most {COLUMNS_MAX} columns"));
        let fits = if columns.len() > COLUMNS_MAX { Err(many) } else { FrameWriter::new(columns.clone()) };
        let (writer, first) = match fits {
            Ok(fits) => fits,
            Err(refusal) => {
                self.skip(prepared);
                return Err(refusal);
            }
        };
        self.rows_last += 1;
        let id = RowsId(self.rows_last);
        let frames = VecDeque::from([(first, 0)]);
        self.kept.insert(id, Kept { frames, broken: None });
        self.active = Some(Active { id, prepared, decoder, writer, has_rows: false });
        Ok((id, columns))
    }

    /// Appends the next frame.
    pub(super) fn frame(&mut self, rows: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        let Some(kept) = self.kept.get(&rows) else {
            return Err(refusals::out_of_turn("these rows are closed"));
        };
        if kept.frames.is_empty() && self.active.as_ref().is_some_and(|active| active.id == rows) {
            self.fill();
        }
        let Some(kept) = self.kept.get_mut(&rows) else { return Ok(None) };
        match (kept.frames.pop_front(), &kept.broken) {
            (Some((bytes, count)), _) => {
                if frame.is_empty() {
                    *frame = bytes;
                } else {
                    frame.extend_from_slice(&bytes);
                }
                Ok(Some(count))
            }
            (None, Some(refusal)) => Err(refusal.clone()),
            (None, None) => Ok(None),
        }
    }

    /// Reads one more frame into what is kept.
    fn fill(&mut self) {
        let Some(mut active) = self.active.take() else { return };
        let mut frame = Vec::new();
        let filled = self.fill_frame(&mut active, &mut frame);
        let Active { id, prepared, .. } = active;
        match filled {
            Ok((count, true)) => {
                self.forget(prepared);
                self.keep(id, frame, count);
            }
            Ok((count, false)) => {
                self.keep(id, frame, count);
                self.active = Some(active);
            }
            Err(refusal) => {
                self.skip(prepared);
                self.break_rows(id, refusal);
            }
        }
    }

    fn keep(&mut self, id: RowsId, frame: Vec<u8>, count: u64) {
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.frames.push_back((frame, count));
        }
    }

    fn break_rows(&mut self, id: RowsId, refusal: Refusal) {
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.broken = Some(refusal);
        }
    }

    /// Fills one frame; gives the number of rows in it and whether it is the last. The row that
    /// does not fit any more starts the next one.
    fn fill_frame(&mut self, active: &mut Active, frame: &mut Vec<u8>) -> Result<(u64, bool), Refusal> {
        let Active { decoder, writer, has_rows, .. } = active;
        let mut refused = None;
        let filled = self.run(|client, wait| {
            loop {
                if client.next_row(wait)?.is_some() {
                    let count = writer.rows() as u64;
                    let ended = if count > 0 || *has_rows {
                        writer.finish_frame(true, frame)
                    } else {
                        writer.finish_empty(frame)
                    };
                    refused = ended.err();
                    return Ok((count, true));
                }
                match take_row(client.row(), decoder, writer, frame) {
                    Ok(None) => {}
                    Ok(Some(count)) => {
                        *has_rows = true;
                        return Ok((count, false));
                    }
                    Err(refusal) => {
                        refused = Some(refusal);
                        return Ok((0, false));
                    }
                }
            }
        });
        match refused {
            Some(refusal) => Err(refusal),
            None => filled,
        }
    }

    /// Before another command: reads the rest of the rows into memory, as far as they may be kept.
    pub(super) fn keep_rest(&mut self) {
        while self.active.is_some() && self.kept_bytes() < KEPT_BYTES_MAX {
            self.fill();
        }
        let Some(active) = &self.active else { return };
        let id = active.id;
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.frames.clear();
            kept.broken = Some(refusals::unread(
                "the rows were not read before the next statement, and there are more than are kept",
            ));
        }
        self.skip_rest();
    }

    /// Lets go of the rows that are on their way.
    pub(super) fn skip_rest(&mut self) {
        if let Some(active) = self.active.take() {
            self.skip(active.prepared);
        }
    }

    /// Reads rows nobody wants; has the server stop where there are many. The transaction stays.
    pub(super) fn skip(&mut self, prepared: Prepared) {
        let pool = std::sync::Arc::clone(&self.pool);
        let credential = std::sync::Arc::clone(&self.key.credential);
        let Ok(held) = self.held() else { return };
        let (client, id) = (&mut held.client, held.id);
        let forever = CancelToken::default();
        let wait = Wait::at_most(&forever, SKIP);
        let (mut skipped, mut asked) = (0, false);
        while !client.is_idle() {
            match client.next_row(&wait) {
                Ok(_) => skipped += client.row().len(),
                Err(Problem::Server(_)) => {}
                Err(Problem::Broken(Broken::Stop(_))) => client.close(),
                Err(Problem::Broken(_)) => {}
            }
            if !client.is_open() {
                return;
            }
            if skipped > SKIPPED_BYTES_MAX && !asked {
                asked = true;
                if !stop::statement(pool.connector(), &credential, id) {
                    client.close();
                    return;
                }
            }
        }
        client.forget(prepared);
    }
}

/// Adds a row; gives the number of rows of the frame that was full before it.
fn take_row(
    row: &[u8],
    decoder: &mut Decoder,
    writer: &mut FrameWriter,
    frame: &mut Vec<u8>,
) -> Result<Option<u64>, Refusal> {
    let mut full = None;
    if !writer.has_room(decoder.bytes(row))? {
        full = Some(writer.rows() as u64);
        writer.finish_frame(false, frame)?;
    }
    decoder.push(row, writer)?;
    Ok(full)
}
