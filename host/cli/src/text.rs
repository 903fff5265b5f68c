//! How output looks: colours, aligned tables, durations, times.
//!
//! In: values. Out: text. Never: reads the clock or writes to a terminal.
//! Fails: not at all.
//! Source: <https://no-color.org> for when there are no colours.

use std::{io::IsTerminal as _, time::Duration};

use cofferdam_ids::Timestamp;

/// Whether and how to colour what goes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// The few colours in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// It worked.
    Green,
    /// It did not.
    Red,
    /// Look at this.
    Yellow,
    /// It goes on.
    Cyan,
    /// Beside the point.
    Dim,
    /// A heading.
    Bold,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set to anything.
    pub fn stdout() -> Self {
        let wished = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { on: wished && std::io::stdout().is_terminal() }
    }

    /// No colours.
    pub const fn off() -> Self {
        Self { on: false }
    }

    /// The text in a colour.
    pub fn paint(self, colour: Colour, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.on {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => "32",
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Cyan => "36",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Columns as wide as their widest cell, two spaces apart, no space at the end of a line.
pub fn table(head: &[&str], rows: &[Vec<String>], paint: Paint) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell));
        cells.chain(head.get(column).map(|cell| visible(cell))).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - visible(cell) + 2));
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    };
    let head: Vec<String> = head.iter().map(|cell| paint.paint(Colour::Dim, cell)).collect();
    let mut text = line(&head);
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// Characters a person sees, colour codes left out.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut escape = false;
    for c in text.chars() {
        match (escape, c) {
            (false, '\u{1b}') => escape = true,
            (true, 'm') => escape = false,
            (true, _) => {}
            (false, _) => count += 1,
        }
    }
    count
}

/// A text from elsewhere, with control characters made visible, so that it cannot move the cursor.
pub fn tame(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let control = c.is_control() && c != '\t';
            let shown = if control { c.escape_default().to_string() } else { c.to_string() };
            shown.chars().collect::<Vec<_>>()
        })
        .collect()
}

/// `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// How long ago, for tables; `now` is the caller's clock.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..2 => "now".to_owned(),
        2..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} m ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// `1 task`, `2 tasks`.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// The nearest of some words, if any is near.
pub fn nearest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    among
        .into_iter()
        .map(|known| (strsim::osa_distance(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len().max(word.len()) / 3)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = [vec!["run_1".to_owned(), "ok".to_owned()], vec!["r".to_owned(), "failed".to_owned()]];
        insta::assert_snapshot!(table(&["RUN", "STATE"], &rows, Paint::off()), @r"
        RUN    STATE
        run_1  ok
        r      failed
        ");
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let on = Paint { on: true };
        let rows = [vec![on.paint(Colour::Green, "ok"), "x".to_owned()]];
        let text = table(&["STATE", "Y"], &rows, Paint::off());
        assert_eq!(text.lines().nth(1), Some("\u{1b}[32mok\u{1b}[0m     x"));
    }

    #[test]
    fn a_text_from_elsewhere_cannot_move_the_cursor() {
        assert_eq!(tame("a\u{1b}[2Jb\tc"), "a\\u{1b}[2Jb\tc");
    }

    #[test]
    fn durations_and_ages_are_short() {
        let times = [400, 12_000, 185_000, 7_800_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(times, ["0.4 s", "12 s", "3 m 05 s", "2 h 10 m"]);
        let at = |s: i64| ago(Timestamp::from_millis(0), Timestamp::from_millis(s * 1000));
        assert_eq!(
            [at(1), at(30), at(600), at(80_000), at(900_000)],
            ["now", "30 s ago", "10 m ago", "22 h ago", "10 d ago"]
        );
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("nmae", ["name", "gateway"]), Some("name"));
        assert_eq!(nearest("colour", ["name", "gateway"]), None);
    }
}
