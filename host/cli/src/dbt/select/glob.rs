//! Shell patterns as Python's `fnmatch` and `pathlib` have them.

/// Whether `text` fits `pattern`: `*` any text, `?` one character, `[abc]` and `[!abc]` one of some.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], text[t]),
            Some(c) if *c == text[t] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Characters of the pattern a class takes, where it holds `c`. A `[` that is not closed is itself.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'!');
    let start = 1 + usize::from(negated);
    // A `]` right at the start belongs to the class.
    let Some(end) = pattern.iter().skip(start + 1).position(|c| *c == ']').map(|at| at + start + 1) else {
        return (c == '[').then_some(1);
    };
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

/// Whether a pattern has anything but plain characters.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

/// Whether a path, or a folder above it, fits; `**` stands for any folders.
pub(crate) fn path_fits(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').filter(|part| *part != ".").collect();
    let parts: Vec<&str> = path.split('/').collect();
    (1..=parts.len()).any(|length| parts_fit(&pattern, &parts[..length]))
}

fn parts_fit(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern.first(), parts.first()) {
        (None, None) => true,
        (Some(&"**"), _) => {
            parts_fit(&pattern[1..], parts) || (!parts.is_empty() && parts_fit(pattern, &parts[1..]))
        }
        (Some(one), Some(part)) => fits(one, part) && parts_fit(&pattern[1..], &parts[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_python() {
        for (pattern, text) in [
            ("*", ""),
            ("a*c", "abbc"),
            ("a?c", "abc"),
            ("[ab]*", "bx"),
            ("[!a]", "b"),
            ("[0-9]x", "7x"),
            ("a[", "a["),
            ("*.sql", "x.y.sql"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("[ab]", "c"), ("[!a]", "a"), ("?", ""), ("*.sql", "a.sqlx")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_path_fits_by_itself_or_by_a_folder_above_it() {
        for pattern in [
            "models",
            "models/",
            "models/staging",
            "models/*/a.sql",
            "models/**/a.sql",
            "**/a.sql",
            "models/staging/a.sql",
        ] {
            assert!(path_fits(pattern, "models/staging/a.sql"), "{pattern}");
        }
        for pattern in ["staging", "models/a.sql", "model", "models/marts"] {
            assert!(!path_fits(pattern, "models/staging/a.sql"), "{pattern}");
        }
    }
}
