//! `.dbtignore`: files of a project that are not part of it.
//!
//! In: the text of the file, the path of another one below the same folder. Out: whether to leave it out.
//! Never: reads a file. Fails: not at all; what is no pattern fits nothing.
//! Source: <https://docs.getdbt.com/reference/dbtignore>; patterns as `.gitignore` has them, each path
//! judged by itself, the last pattern that fits counts.

/// The file's name.
pub(crate) const NAME: &str = ".dbtignore";

/// The patterns of one file.
#[derive(Debug, Default)]
pub(crate) struct Ignore(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    /// Brings back what an earlier one left out.
    negated: bool,
    /// Stands for folders alone.
    folders: bool,
    parts: Vec<Vec<char>>,
}

impl Ignore {
    /// Reads the patterns.
    pub(crate) fn read(text: &str) -> Self {
        Self(text.lines().filter_map(Pattern::read).collect())
    }

    /// Whether a file is left out.
    pub(crate) fn leaves_out(&self, path: &str) -> bool {
        let names: Vec<Vec<char>> = path.split('/').map(|name| name.chars().collect()).collect();
        let last = self.0.iter().rev().find(|pattern| pattern.fits(&names));
        last.is_some_and(|pattern| !pattern.negated)
    }
}

impl Pattern {
    fn read(line: &str) -> Option<Self> {
        let line =
            line.strip_suffix("\\ ").map_or_else(|| line.trim_end().to_owned(), |rest| format!("{rest} "));
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (negated, line) = line.strip_prefix('!').map_or((false, line.as_str()), |rest| (true, rest));
        let line = line.strip_prefix('\\').filter(|rest| rest.starts_with(['#', '!'])).unwrap_or(line);
        let (folders, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
        let anchored = line.contains('/');
        let line = line.strip_prefix('/').unwrap_or(line);
        let mut parts: Vec<Vec<char>> =
            line.split('/').filter(|part| !part.is_empty()).map(|part| part.chars().collect()).collect();
        if parts.is_empty() {
            return None;
        }
        if !anchored {
            parts.insert(0, vec!['*', '*']);
        }
        Some(Self { negated, folders, parts })
    }

    /// Whether it is the file, or a folder the file lies in.
    fn fits(&self, names: &[Vec<char>]) -> bool {
        let whole = if self.folders { names.len().saturating_sub(1) } else { names.len() };
        (1..=whole).any(|count| path_fits(&self.parts, &names[..count]))
    }
}

/// Whether parts of a pattern are names of a path; `**` stands for any number of them.
fn path_fits(parts: &[Vec<char>], names: &[Vec<char>]) -> bool {
    match parts.split_first() {
        None => names.is_empty(),
        Some((part, rest)) if part[..] == ['*', '*'] => {
            let least = usize::from(rest.is_empty());
            (least..=names.len()).any(|count| path_fits(rest, &names[count..]))
        }
        Some((part, rest)) => {
            names.split_first().is_some_and(|(name, names)| name_fits(part, name) && path_fits(rest, names))
        }
    }
}

/// Whether a pattern is a name: `*` any text, `?` one character, `[abc]` and `[!abc]` one of some.
fn name_fits(pattern: &[char], name: &[char]) -> bool {
    // Where to go on when the text behind the last `*` does not fit.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while n < name.len() {
        let taken = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], name[n]),
            Some('\\') if pattern.get(p + 1) == Some(&name[n]) => Some(2),
            Some(c) if *c == name[n] => Some(1),
            _ => None,
        };
        match (taken, star) {
            (Some(length), _) => {
                p += length;
                n += 1;
            }
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How long the class at the start of a pattern is, where it holds the character.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = 1 + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let inside = &pattern[start..end];
    let mut holds = false;
    let mut at = 0;
    while at < inside.len() {
        if at + 2 < inside.len() && inside[at + 1] == '-' {
            holds |= (inside[at]..=inside[at + 2]).contains(&c);
            at += 3;
        } else {
            holds |= inside[at] == c;
            at += 1;
        }
    }
    (holds != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_leave_out_what_git_would_leave_out() {
        let text = "# notes\n*.py\nold/\n/models/draft_*.sql\nseeds/**/big.csv\n!models/keep.py\nx[0-9].sql\n\\#odd\n";
        let ignore = Ignore::read(text);
        for (path, out) in [
            ("models/a.py", true),
            ("models/keep.py", false),
            ("models/old/a.sql", true),
            ("models/old", false),
            ("models/draft_a.sql", true),
            ("models/sub/draft_a.sql", false),
            ("seeds/big.csv", true),
            ("seeds/a/b/big.csv", true),
            ("seeds/small.csv", false),
            ("models/x1.sql", true),
            ("models/xx.sql", false),
            ("#odd", true),
            ("notes", false),
        ] {
            assert_eq!(ignore.leaves_out(path), out, "{path}");
        }
        assert!(!Ignore::read("\n\n/\n").leaves_out("models/a.sql"));
    }
}
