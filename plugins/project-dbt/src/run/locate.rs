//! Finds the line a warehouse complains about.
//!
//! In: the warehouse's words and the text of the node's file. Out: a line, where one can be told.
//! Never: guesses between two lines: a word that stands on several gives none, but for a syntax
//! error, whose place is the first.
//! Fails: not at all.
//! Source: the messages of SQLite and PostgreSQL: ``near "X"``, `no such column: X`,
//! `column "X" does not exist`, `LINE 3:`.

/// The line of the file that a message is about.
pub(super) fn line(message: &str, source: &str) -> Option<u32> {
    let word = complaint(message)?;
    let mut lines = source.lines().enumerate().filter(|(_, line)| holds(line, word));
    let (first, _) = lines.next()?;
    match lines.next() {
        Some(_) if !message.contains("near ") => None,
        _ => u32::try_from(first + 1).ok(),
    }
}

/// The word a message complains about, without the relation in front of it.
fn complaint(message: &str) -> Option<&str> {
    let word = if let Some((_, rest)) = message.split_once("near \"") {
        rest.split('"').next()?
    } else {
        let marks = ["no such column: ", "no such table: ", "no such function: ", "ambiguous column name: "];
        let found = marks.iter().find_map(|mark| message.split_once(mark));
        match found {
            Some((_, rest)) => {
                rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '(')).next()?
            }
            None => {
                let (before, _) = message.split_once("\" does not exist")?;
                before.rsplit('"').next()?
            }
        }
    };
    let last = word.rsplit('.').next().unwrap_or(word).trim_matches(|c| matches!(c, '`' | '"' | '\''));
    (!last.is_empty()).then_some(last)
}

/// Whether a word stands in a line on its own.
fn holds(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    while let Some(found) = line[at..].find(word) {
        let (start, end) = (at + found, at + found + word.len());
        let before = line[..start].chars().next_back().is_some_and(part);
        let after = line[end..].chars().next().is_some_and(part);
        let edges = word.starts_with(part) && before || word.ends_with(part) && after;
        if !edges {
            return true;
        }
        at = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "select\n    carrier,\n    dep_delay_x as delay\nfrom flights\nwhere carrier = 1\n";

    #[test]
    fn a_word_on_one_line_is_found() {
        assert_eq!(line("no such column: f.dep_delay_x", SOURCE), Some(3));
        assert_eq!(line("CD0301: near \"from\": syntax error", SOURCE), Some(4));
        assert_eq!(line("column \"dep_delay_x\" does not exist", SOURCE), Some(3));
    }

    #[test]
    fn a_word_on_several_lines_or_none_is_not_guessed() {
        assert_eq!(line("no such column: carrier", SOURCE), None);
        assert_eq!(line("no such column: dep_delay", SOURCE), None);
        assert_eq!(line("disk I/O error", SOURCE), None);
        assert_eq!(line("near \"\": syntax error", SOURCE), None);
    }
}
