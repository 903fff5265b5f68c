//! Names as a warehouse writes them, and where a relation is.

use crate::{Failure, Relation};

/// What stands behind the name of a table that waits to take another's place.
const NEW: &str = "__cofferdam_new";
/// What stands behind the name of a table that has left its place.
const OLD: &str = "__cofferdam_old";

/// How a warehouse writes names.
#[derive(Debug, PartialEq, Eq)]
pub struct Naming {
    /// What its dialect is called, e.g. `sqlite`.
    pub dialect: &'static str,
    /// What it is called in messages.
    pub warehouse: &'static str,
    /// The mark before and behind a quoted name; written twice it stands for itself.
    pub mark: char,
    /// Bytes of the longest name.
    pub bytes_max: usize,
}

impl Naming {
    /// A name in quotes.
    pub fn quote(&self, name: &str) -> String {
        let mark = self.mark;
        format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
    }

    /// Several names in quotes, commas between them.
    pub fn list<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        names.into_iter().map(|name| self.quote(name)).collect::<Vec<_>>().join(", ")
    }

    /// A column of one of the tables a statement calls `"old"` and `"new"`.
    pub(crate) fn of(&self, table: &str, column: &str) -> String {
        format!("{}.{}", self.quote(table), self.quote(column))
    }
}

/// A select as one can put it into another statement: without the mark at its end, and with a
/// line of its own, so that a comment at its end swallows nothing.
pub(super) fn inner(select: &str) -> String {
    format!("\n{}\n", select.trim().trim_end_matches(';').trim_end())
}

/// Where a relation is: schema and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its schema.
    pub schema: String,
    /// Its own name.
    pub name: String,
    naming: &'static Naming,
}

impl Place {
    /// The place of a relation. `Invalid` where it names a database, or is longer than the
    /// warehouse keeps a name: some cut it off and say nothing.
    pub fn of(relation: &Relation, default_schema: &str, naming: &'static Naming) -> Result<Self, Failure> {
        let refuse = |why: String| Err(Failure::invalid(super::NAME, format!("`{relation}` {why}")));
        let warehouse = naming.warehouse;
        if let Some(database) = &relation.database {
            return refuse(format!(
                "names the database `{database}`; {warehouse} is asked for schema and table alone"
            ));
        }
        let schema = relation.schema.as_deref().unwrap_or(default_schema);
        for part in [schema, &relation.name] {
            if part.len() > naming.bytes_max {
                return refuse(format!(
                    "is too long; a name in {warehouse} has at most {} bytes",
                    naming.bytes_max
                ));
            }
        }
        Ok(Self { schema: schema.to_owned(), name: relation.name.clone(), naming })
    }

    /// How its warehouse writes names.
    pub fn naming(&self) -> &'static Naming {
        self.naming
    }

    /// Another name in the same schema.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self { schema: self.schema.clone(), name: name.to_owned(), naming: self.naming }
    }

    /// Where rows wait before they take this place.
    #[must_use]
    pub fn stage(&self) -> Self {
        self.beside(&self.with(NEW))
    }

    /// Where what stood here is put before it is dropped.
    #[must_use]
    pub fn leaving(&self) -> Self {
        self.beside(&self.with(OLD))
    }

    /// The name with an end. One that becomes too long is cut and told apart by a number made of
    /// the whole of it.
    fn with(&self, end: &str) -> String {
        let whole = format!("{}{end}", self.name);
        if whole.len() <= self.naming.bytes_max {
            return whole;
        }
        let end = format!("__{:016x}{end}", fingerprint(&self.name));
        let mut cut = self.naming.bytes_max.saturating_sub(end.len());
        while !self.name.is_char_boundary(cut) {
            cut -= 1;
        }
        format!("{}{end}", &self.name[..cut])
    }

    /// As a statement writes it.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.naming.quote(&self.schema), self.naming.quote(&self.name))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A number made of a text, the same everywhere and always: FNV-1a, 64 bits.
pub(super) fn fingerprint(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAMING: Naming = Naming { dialect: "test", warehouse: "Test", mark: '"', bytes_max: 63 };

    fn place(name: &str) -> Place {
        Place::of(&Relation::new("marts", name), "main", &NAMING).unwrap()
    }

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(NAMING.quote("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_stage_keeps_schema_and_start_of_the_name() {
        assert_eq!(place("orders").stage().quoted(), "\"marts\".\"orders__cofferdam_new\"");
        assert_eq!(place("orders").leaving().quoted(), "\"marts\".\"orders__cofferdam_old\"");
    }

    #[test]
    fn the_stages_of_long_names_fit_and_differ() {
        let (one, other) = (place(&format!("{}ä1", "x".repeat(60))), place(&format!("{}ä2", "x".repeat(60))));
        assert!(one.stage().name.len() <= 63, "{}", one.stage().name);
        assert_ne!(one.stage(), other.stage());
        assert!(one.stage().name.starts_with("xxx") && one.stage().name.ends_with(NEW));
        assert!(Place::of(&Relation::new("marts", "x".repeat(64)), "main", &NAMING).is_err());
    }

    #[test]
    fn a_database_is_refused() {
        let relation = Relation { database: Some("prod".into()), schema: None, name: "orders".into() };
        assert_eq!(
            Place::of(&relation, "main", &NAMING).unwrap_err().to_string(),
            "CD0975: `prod.orders` names the database `prod`; Test is asked for schema and table alone"
        );
    }

    #[test]
    fn the_end_of_a_select_swallows_nothing() {
        assert_eq!(inner("select 1 -- one\n;\n"), "\nselect 1 -- one\n");
    }
}
