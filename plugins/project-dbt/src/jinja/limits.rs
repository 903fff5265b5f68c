//! What a rendering may use: steps, depth, text, memory.
//!
//! In: what is about to be made. Out: leave to make it.
//! Never: lets a text or a list be made that the sandbox has no room for.
//! Fails: with a failure of the kind `Limit`, which names no cause but the size.
//! Source: a sandbox's memory is 256 MiB and its stack small; the errors are to be ours.

use std::cell::Cell;

use super::error::RenderKind;
use super::problem::{Outcome, failure};

/// How many steps one rendering may take: statements, operators, calls, turns of loops. Hooks behind a run
/// of some thousand nodes take tens of millions; tests are to be shorter.
pub(super) const STEPS_MAX: u64 = if cfg!(test) { 10_000_000 } else { 100_000_000 };
/// How deep macros may call one another.
pub(super) const CALLS_MAX: u32 = 80;
/// How deep expressions and statements may be evaluated in one another, over all macros.
pub(super) const DEPTH_MAX: u32 = 240;
/// How long one text may be.
pub(super) const TEXT_MAX: usize = 16 << 20;
/// How long one list may be.
pub(super) const LIST_MAX: usize = 2_000_000;
/// How many numbers a range may have: as many as in Jinja's sandbox.
pub(super) const RANGE_MAX: i128 = 100_000;
/// How much text one rendering may make in all, pieces of [`PIECE`] and more counted: a bound of the time, since
/// what is no longer used goes. Statements of a thousand rows, put together row by row, take half a GiB. Tests
/// are to be shorter, and outside of the sandbox nothing else bounds what is kept.
const TEXTS_MAX: u64 = if cfg!(test) { 1 << 30 } else { 64 << 30 };
/// From which size on texts and lists are counted.
const PIECE: usize = 4 << 10;
/// How much memory the sandbox may have taken when a large piece is made.
#[cfg(target_family = "wasm")]
const MEMORY_MAX: usize = 208 << 20;

/// How many values inside of others may be looked at where lists are printed, compared and written
/// as JSON: values that hold the same value twice, many times over, are many.
const LOOKS_MAX: u64 = 50_000_000;

thread_local! {
    static MADE: Cell<u64> = const { Cell::new(0) };
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// Begins to count anew; gives what was counted before, to be put back by [`resume`].
pub(super) fn begin() -> (u64, u64) {
    (MADE.replace(0), LOOKS.replace(0))
}

/// Goes on counting from here.
pub(super) fn resume((made, looks): (u64, u64)) {
    MADE.set(made);
    LOOKS.set(looks);
}

/// A value inside of another is about to be looked at; false where it may not be. The next step of
/// the rendering fails then.
pub(super) fn look() -> bool {
    let looks = LOOKS.get() + 1;
    LOOKS.set(looks);
    looks <= LOOKS_MAX
}

/// Whether values were looked at too often.
pub(super) fn looked() -> Outcome<()> {
    if LOOKS.get() <= LOOKS_MAX {
        return Ok(());
    }
    Err(failure(RenderKind::Limit, "the values hold one another too often to be gone through"))
}

/// A text of this length is about to be made.
pub(super) fn text_of(length: usize) -> Outcome<()> {
    if length > TEXT_MAX {
        return Err(failure(
            RenderKind::Limit,
            format!(
                "a text longer than {} MiB would be made; does something double without end?",
                TEXT_MAX >> 20
            ),
        ));
    }
    piece(length)
}

/// A text is about to grow. Its room doubles as it grows, so it is counted where that happens: what
/// is put together of many small pieces counts as what it becomes, not as often as it has pieces.
pub(super) fn longer_text(length: usize, more: usize) -> Outcome<()> {
    let longer = length.saturating_add(more);
    let doubles = longer >= PIECE && (length < PIECE || length.ilog2() < longer.ilog2());
    if longer > TEXT_MAX || doubles { text_of(longer) } else { Ok(()) }
}

/// A list of this length is about to be made.
pub(super) fn list_of(length: usize) -> Outcome<()> {
    if length > LIST_MAX {
        return Err(failure(
            RenderKind::Limit,
            format!("a list of more than {LIST_MAX} values would be made; does something grow without end?"),
        ));
    }
    piece(length.saturating_mul(24))
}

/// A list is about to grow to this length by one value.
pub(super) fn longer_list(length: usize) -> Outcome<()> {
    if length > LIST_MAX {
        return list_of(length);
    }
    if length.is_power_of_two() && length > PIECE { memory(length.saturating_mul(48)) } else { Ok(()) }
}

fn piece(bytes: usize) -> Outcome<()> {
    if bytes < PIECE {
        return Ok(());
    }
    let made = MADE.get().saturating_add(bytes as u64);
    MADE.set(made);
    if made > TEXTS_MAX {
        return Err(failure(
            RenderKind::Limit,
            format!(
                "more than {} GiB of text would be made in all; does something grow without end?",
                TEXTS_MAX >> 30
            ),
        ));
    }
    memory(bytes)
}

/// Whether there is room for so much more.
pub(super) fn memory(bytes: usize) -> Outcome<()> {
    #[cfg(target_family = "wasm")]
    {
        let taken = core::arch::wasm32::memory_size::<0>().saturating_mul(64 << 10);
        if taken.saturating_add(bytes.saturating_mul(2)) > MEMORY_MAX {
            return Err(failure(
                RenderKind::Limit,
                "the template takes more memory than a task has; does something grow without end?",
            ));
        }
    }
    let _ = bytes;
    Ok(())
}
