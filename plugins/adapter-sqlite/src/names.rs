//! Names as SQLite writes them.

use cofferdam_sdk::{Failure, Relation};

use crate::codes;

/// The schema of the gateway's main file.
pub(crate) const DEFAULT_SCHEMA: &str = "main";

/// An identifier in quotes.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several identifiers in quotes, commas between them.
pub(crate) fn quote_all<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

/// A select as one can put it into another statement: without the mark at its end, and with a
/// line of its own, so that a comment at its end swallows nothing.
pub(crate) fn inner(select: &str) -> String {
    format!("\n{}\n", select.trim().trim_end_matches(';').trim_end())
}

/// Where a relation is: schema and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) schema: String,
    pub(crate) name: String,
}

impl Place {
    /// The place of a relation; `Invalid` where it names a database, which SQLite has none of.
    pub(crate) fn of(relation: &Relation) -> Result<Self, Failure> {
        if let Some(database) = &relation.database {
            return Err(Failure::invalid(
                codes::NAME,
                format!("`{relation}` names the database `{database}`; SQLite knows schema and table alone"),
            ));
        }
        let schema = relation.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        Ok(Self { schema: schema.to_owned(), name: relation.name.clone() })
    }

    /// Another name in the same schema.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self { schema: self.schema.clone(), name: name.to_owned() }
    }

    /// Where rows wait before they take this place.
    pub(crate) fn stage(&self) -> Self {
        self.beside(&format!("{}__cofferdam_new", self.name))
    }

    /// As a statement writes it.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_stage_keeps_schema_and_start_of_the_name() {
        let place = Place::of(&Relation::new("marts", "orders")).unwrap();
        assert_eq!(place.stage().quoted(), "\"marts\".\"orders__cofferdam_new\"");
    }

    #[test]
    fn a_database_is_refused() {
        let relation = Relation { database: Some("prod".into()), schema: None, name: "orders".into() };
        assert_eq!(
            Place::of(&relation).unwrap_err().to_string(),
            "CD0975: `prod.orders` names the database `prod`; SQLite knows schema and table alone"
        );
    }

    #[test]
    fn the_end_of_a_select_swallows_nothing() {
        assert_eq!(inner("select 1 -- one\n;\n"), "\nselect 1 -- one\n");
    }
}
