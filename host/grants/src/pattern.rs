//! Globs: a text, or a start of texts followed by one `*`. There is no other wildcard, so that
//! what a grant allows can be read aloud and compared.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reading::{Dialect, Relation};

/// A text that is not a glob or relation pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {allowed}")]
pub struct BadPattern {
    /// What was given, at most 80 characters of it.
    pub text: String,
    /// What is allowed.
    pub allowed: &'static str,
}

/// A text, or every text with a given start: `orders`, `stg_*`, `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    text: Box<str>,
    open: bool,
}

impl Glob {
    /// Reads a glob. A `*` anywhere but at the end is refused, as is an empty text.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let (start, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        if text.is_empty() || start.contains('*') || start.chars().any(char::is_control) {
            return Err(BadPattern {
                text: text.chars().take(80).collect(),
                allowed: "a name, or a start of names followed by one `*`",
            });
        }
        Ok(Self { text: start.into(), open })
    }

    /// Whether it holds a text.
    pub fn matches(&self, text: &str) -> bool {
        if self.open { text.starts_with(&*self.text) } else { text == &*self.text }
    }

    /// Whether it holds every text the other holds.
    pub fn covers(&self, other: &Self) -> bool {
        if self.open { other.text.starts_with(&*self.text) } else { self == other }
    }

    /// Whether it stands for more than one text.
    pub fn is_open(&self) -> bool {
        self.open
    }

    fn matches_ignoring_case(&self, text: &str) -> bool {
        let start = if self.open { text.get(..self.text.len()) } else { Some(text) };
        start.is_some_and(|start| start.eq_ignore_ascii_case(&self.text))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.open { "*" } else { "" })
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Relations by schema and name: `raw.orders`, `raw.*`, `marts.orders*`, `*.*`.
///
/// Names are compared as the engine compares them: letter for letter, and by SQLite without
/// regard to ASCII case. Two patterns are compared letter for letter, whatever the engine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationPattern {
    schema: Glob,
    name: Glob,
}

impl RelationPattern {
    /// Reads `schema.name`, either part possibly ending in `*`.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern {
            text: text.chars().take(80).collect(),
            allowed: "`schema.name` or `schema.*`, without quotes",
        };
        let quoted = |c: char| c.is_whitespace() || "\"'`;[]".contains(c);
        let (schema, name) = text.split_once('.').filter(|_| !text.contains(quoted)).ok_or_else(bad)?;
        if name.contains('.') {
            return Err(bad());
        }
        let part = |text: &str| Glob::new(text).map_err(|_| bad());
        Ok(Self { schema: part(schema)?, name: part(name)? })
    }

    /// Whether it holds a relation.
    pub fn holds(&self, relation: &Relation) -> bool {
        match relation.dialect() {
            Dialect::Sqlite => self.matches_ignoring_case(relation.schema(), relation.name()),
            Dialect::Postgres | Dialect::Mysql => {
                self.schema.matches(relation.schema()) && self.name.matches(relation.name())
            }
        }
    }

    /// Whether it holds a relation whose name SQLite gives, in any case.
    pub fn matches_ignoring_case(&self, schema: &str, name: &str) -> bool {
        self.schema.matches_ignoring_case(schema) && self.name.matches_ignoring_case(name)
    }

    /// Whether it holds every relation the other holds.
    pub fn covers(&self, other: &Self) -> bool {
        self.schema.covers(&other.schema) && self.name.covers(&other.name)
    }

    /// Whether it stands for more than one relation.
    pub fn is_open(&self) -> bool {
        self.schema.open || self.name.open
    }
}

impl fmt::Display for RelationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Debug for RelationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! text_of {
    ($($type:ident),*) => {$(
        impl FromStr for $type {
            type Err = BadPattern;
            fn from_str(text: &str) -> Result<Self, BadPattern> {
                Self::new(text)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    )*};
}
text_of!(Glob, RelationPattern);

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(text: &str) -> RelationPattern {
        text.parse().unwrap()
    }

    fn holds(pattern: &str, dialect: Dialect, schema: &str, name: &str) -> bool {
        relation(pattern).holds(&Relation::new(dialect, schema, name))
    }

    #[test]
    fn sqlite_s_names_are_held_in_any_case() {
        let holds = |pattern, schema, name| holds(pattern, Dialect::Sqlite, schema, name);
        assert!(holds("raw.*", "RAW", "Orders"));
        assert!(holds("Marts.Orders*", "marts", "orders__new"));
        assert!(!holds("raw.*", "raw2", "orders"));
        assert!(!holds("raw.orders", "raw", "orders2"));
    }

    #[test]
    fn a_server_s_names_are_held_letter_for_letter() {
        for dialect in [Dialect::Postgres, Dialect::Mysql] {
            assert!(holds("raw.Or*", dialect, "raw", "Orders"));
            assert!(!holds("raw.or*", dialect, "raw", "Orders"));
            assert!(!holds("raw.*", dialect, "RAW", "orders"));
        }
    }

    #[test]
    fn a_pattern_covers_no_more_than_it_holds() {
        assert!(relation("raw.*").covers(&relation("raw.Orders")));
        assert!(relation("raw.o*").covers(&relation("raw.or*")));
        assert!(!relation("raw.*").covers(&relation("RAW.orders")));
        assert!(!relation("raw.or*").covers(&relation("raw.o*")));
        assert!(!relation("raw.orders").covers(&relation("raw.*")));
        assert!(relation("*.*").covers(&relation("raw.*")));
    }

    #[test]
    fn other_wildcards_quotes_and_part_counts_are_refused() {
        for text in
            ["", "raw", "raw.", ".orders", "a.b.c", "r*w.x", "raw.**", "\"raw\".x", "raw. x", "raw.[x]"]
        {
            assert!(RelationPattern::new(text).is_err(), "{text}");
        }
        for text in ["", "a*b", "**", "a\nb"] {
            assert!(Glob::new(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_covered_pattern_holds_its_cover_holds(
            cover in "[a-b]{0,2}\\*?", covered in "[a-b]{0,3}\\*?", text in "[a-b]{0,4}",
        ) {
            if let (Ok(cover), Ok(covered)) = (Glob::new(&cover), Glob::new(&covered))
                && cover.covers(&covered) && covered.matches(&text)
            {
                proptest::prop_assert!(cover.matches(&text));
            }
        }
    }
}
