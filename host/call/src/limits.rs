//! The named limits of the door. Both sides enforce them.

/// Bytes of a frame's header: the encoded message, a statement's text included.
pub const HEADER_BYTES_MAX: usize = 2 << 20;
/// Bytes of a frame's payload: one Arrow IPC frame, one piece of a file or component.
pub const PAYLOAD_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Bytes taken from a lane with one system call: most messages are shorter.
pub const LANE_READ_BYTES: usize = 8 << 10;
/// Bytes of an Arrow IPC frame a guest may send or receive.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of frames that come with the answer to a query, beside the one that reaches over them.
pub const AHEAD_BYTES_MAX: u32 = 64 << 10;
/// Bytes of one statement.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of one bound text or bytes value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Values bound to one statement.
pub const VALUES_MAX: usize = 1_000;
/// Columns of a result or relation.
pub const COLUMNS_MAX: usize = 2_000;
/// Bytes of one log line.
pub const LOG_LINE_BYTES_MAX: usize = 16 << 10;
/// Bytes of one failure's message.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Open handles (sessions, results, loads) of one attempt.
pub const HANDLES_MAX: usize = 256;
/// Bytes of one read from a release file.
pub const FILE_READ_BYTES_MAX: u32 = 1 << 20;
/// Bytes of a file kept beside an attempt's log.
pub const KEPT_FILE_BYTES_MAX: usize = 1 << 20;
/// Bytes of the name of such a file.
pub const KEPT_NAME_BYTES_MAX: usize = 64;
/// Files one attempt may keep.
pub const KEPT_FILES_MAX: usize = 16;
/// Bytes of all files one attempt keeps.
pub const KEPT_BYTES_MAX: usize = 8 << 20;
/// Attempts on one page of what a run's attempts kept.
pub const KEPT_PAGE_ATTEMPTS_MAX: usize = 1_000;
/// Bytes of the files and messages on one page, beside the attempt that reaches over them.
pub const KEPT_PAGE_BYTES_MAX: usize = 512 << 10;
/// Files a loader may make.
pub const GENERATED_FILES_MAX: usize = 1_000;
/// Bytes of one file a loader makes.
pub const GENERATED_FILE_BYTES_MAX: usize = 64 << 20;
/// Bytes of all files a loader makes.
pub const GENERATED_BYTES_MAX: usize = 256 << 20;
/// Bytes of all texts of a project's graph.
pub const GRAPH_BYTES_MAX: usize = 64 << 20;
/// Bytes of a description on its way from runner to broker.
pub const DESCRIPTION_BYTES_MAX: usize = GENERATED_BYTES_MAX + 2 * GRAPH_BYTES_MAX;
/// Files of one release.
pub const FILES_MAX: usize = 100_000;
/// Tasks of one release.
pub const TASKS_MAX: usize = 20_000;

/// Shortens a text to at most `max` bytes on a character border, saying so with `…`.
pub fn shorten(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_long_text_is_cut_on_a_character_border() {
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("äääää", 8), "ää…");
        assert!(shorten(&"ä".repeat(5000), 4096).len() <= 4096);
    }
}
