//! Everything that is wrong with a project, gathered before anything is said.
//!
//! In: a path, a line and a sentence, from whichever module found the fault.
//! Out: one sorted list without doubles, so that an author mends a project in one round.
//! Never: stops at the first fault; reads files.
//! Fails: not at all. The list is cut at [`PROBLEMS_MAX`].
//! Source: `wit/task/task.wit`, record `problem`.

use cofferdam_sdk::Problem;

/// How many problems are handed out; the rest is counted in one last line.
pub const PROBLEMS_MAX: usize = 200;

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one. `line` counts from 1; 0 where the whole file is meant.
    pub fn add(&mut self, path: &str, line: u32, message: impl Into<String>) {
        self.0.push(Problem { path: path.to_owned(), line, message: message.into() });
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list in the order of paths and lines, without doubles.
    #[must_use]
    pub fn into_list(mut self) -> Vec<Problem> {
        self.0.sort_by(|a, b| (&a.path, a.line, &a.message).cmp(&(&b.path, b.line, &b.message)));
        self.0.dedup_by(|a, b| (&a.path, a.line, &a.message) == (&b.path, b.line, &b.message));
        if self.0.len() > PROBLEMS_MAX {
            let more = self.0.len() - PROBLEMS_MAX;
            self.0.truncate(PROBLEMS_MAX);
            self.0.push(Problem {
                path: String::new(),
                line: 0,
                message: format!("and {more} more problems"),
            });
        }
        self.0
    }
}

/// Names the known word closest to a mistyped one, as the end of a sentence; empty where none is near.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// The number of letters to add, drop or change to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_come_sorted_and_once() {
        let mut problems = Problems::default();
        problems.add("b.sql", 1, "second");
        problems.add("a.sql", 9, "first");
        problems.add("b.sql", 1, "second");
        let list = problems.into_list();
        assert_eq!(list.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["a.sql", "b.sql"]);
    }

    #[test]
    fn a_near_word_is_named_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("stg_fligts", ["stg_flights", "orders"]), "; did you mean `stg_flights`?");
        assert_eq!(did_you_mean("customers", ["stg_flights", "orders"]), "");
    }
}
