//! Guests' words, made fit to be shown.

/// Replaces control characters but for line feeds and tabs, and the marks that turn the direction
/// of text, by `�`: a log line must not move a terminal's cursor or disguise itself.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_foul(c) { '\u{fffd}' } else { c }).collect()
}

/// As [`clean`], on one line: line feeds and tabs become spaces.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

fn is_foul(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_direction_marks_are_replaced() {
        assert_eq!(clean("a\x1b[2Jb\u{202e}c\r"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(clean_line("one\ntwo\tthree"), "one two three");
    }

    #[test]
    fn plain_text_is_left_alone() {
        assert_eq!(clean("naïve — 日本\n\tx"), "naïve — 日本\n\tx");
    }
}
