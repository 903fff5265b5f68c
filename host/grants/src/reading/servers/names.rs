//! Which relation a name means, and which relations belong to the engine or the broker.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::super::{Dialect, FENCE_SCHEMA, ReadingProblem, Relation};
use super::lexer::postgres::{NAME_BYTES_MAX, kept};

/// The schema of a session's temporary relations, in PostgreSQL.
pub(in crate::reading) const TEMP: &str = "pg_temp";

/// PostgreSQL's catalogs that hold names and shapes, and nobody's rows, settings or secrets.
/// Sorted. Those with samples of rows, other sessions' statements, or settings are left out.
const POSTGRES_CATALOG: &[&str] = &[
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_available_extensions",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_extension",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_language",
    "pg_matviews",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_range",
    "pg_rewrite",
    "pg_roles",
    "pg_rules",
    "pg_sequence",
    "pg_sequences",
    "pg_shdescription",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_type",
    "pg_views",
];

/// MySQL's catalog relations. Sorted.
const MYSQL_CATALOG: &[&str] = &[
    "character_sets",
    "check_constraints",
    "collation_character_set_applicability",
    "collations",
    "columns",
    "engines",
    "key_column_usage",
    "keywords",
    "partitions",
    "referential_constraints",
    "schemata",
    "statistics",
    "table_constraints",
    "tables",
    "views",
];

/// MySQL's schemas of the server itself.
const MYSQL_SYSTEM: [&str; 4] = ["mysql", "performance_schema", "sys", "information_schema"];

/// The dialect of a session and the schema its bare names belong to.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) dialect: Dialect,
    pub(super) default_schema: &'a str,
}

impl Names<'_> {
    /// A name of one or two parts as a relation that may be named at all. In PostgreSQL a third may
    /// stand before them, the database: the server refuses every other than the session's own.
    pub(super) fn relation(&self, name: &ObjectName) -> Result<Relation, ReadingProblem> {
        let parts = name.0.iter().map(|part| self.part(part)).collect::<Result<Vec<_>, _>>()?;
        match parts[..] {
            [only] => self.bare(only),
            [schema, name] => self.made(schema, name),
            [_, schema, name] if self.dialect == Dialect::Postgres => self.made(schema, name),
            _ => Err(unreadable("a relation is named by a name and at most a schema")),
        }
    }

    /// A name without a schema. PostgreSQL looks into its catalog first, where every relation has a
    /// name that starts so and nobody else may make one.
    pub(super) fn bare(&self, name: &str) -> Result<Relation, ReadingProblem> {
        if self.dialect == Dialect::Postgres && name.starts_with("pg_") {
            return self.made("pg_catalog", name).map_err(|problem| match problem {
                ReadingProblem::Reserved(_) => ReadingProblem::Reserved(name.escape_debug().to_string()),
                other => other,
            });
        }
        self.made(self.default_schema, name)
    }

    pub(super) fn made(&self, schema: &str, name: &str) -> Result<Relation, ReadingProblem> {
        let catalog = self.dialect == Dialect::Mysql && schema.eq_ignore_ascii_case("information_schema");
        let relation = if catalog {
            Relation::new(self.dialect, "information_schema", &name.to_ascii_lowercase())
        } else if self.dialect == Dialect::Postgres {
            kept_relation(schema, name)?
        } else {
            Relation::new(self.dialect, schema, name)
        };
        if is_reserved(&relation) && !is_catalog(&relation) {
            return Err(ReadingProblem::Reserved(relation.to_string()));
        }
        Ok(relation)
    }

    /// Every relation of a schema, for statements about the schema itself: `x.*`.
    pub(super) fn all_of(&self, schema: &ObjectName) -> Result<Relation, ReadingProblem> {
        match &schema.0[..] {
            [only] => self.whole(self.part(only)?),
            _ => Err(unreadable("a schema has one name")),
        }
    }

    /// Every relation of a schema. The session's temporary one belongs to the server.
    pub(super) fn whole(&self, schema: &str) -> Result<Relation, ReadingProblem> {
        let all = self.made(schema, "*")?;
        if all.is_temporary() { Err(ReadingProblem::Reserved(all.to_string())) } else { Ok(all) }
    }

    fn part<'n>(&self, part: &'n ObjectNamePart) -> Result<&'n str, ReadingProblem> {
        let ident = part.as_ident().ok_or_else(|| unreadable("a relation is named by a function"))?;
        // A string is a name to the parser, and under some settings to the server.
        match ident.quote_style {
            None | Some('"' | '`') => Ok(&ident.value),
            Some(_) => Err(unreadable("a relation is named by a string")),
        }
    }

    /// Whether a word without quotes can be a name at all. A reserved word that the parser took
    /// for one means that the parser and the server see different statements.
    pub(super) fn is_name(&self, ident: &Ident) -> bool {
        let reserved = match self.dialect {
            Dialect::Mysql => super::words::MYSQL,
            _ => super::words::POSTGRES,
        };
        match ident.quote_style {
            None => reserved.binary_search(&&*ident.value.to_ascii_lowercase()).is_err(),
            Some('\'') => self.dialect == Dialect::Mysql,
            Some(_) => true,
        }
    }
}

/// A relation of PostgreSQL by what the server keeps of its names, or a refusal where that is not
/// known.
pub(in crate::reading) fn kept_relation(schema: &str, name: &str) -> Result<Relation, ReadingProblem> {
    let (schema, name) = (kept(schema), kept(name));
    if schema.len().max(name.len()) > NAME_BYTES_MAX {
        return Err(unreadable(
            "a relation's name is longer than 63 bytes and holds letters beyond ASCII: \
             where the server cuts it depends on its encoding",
        ));
    }
    Ok(Relation::new(Dialect::Postgres, schema, name))
}

fn unreadable(why: &str) -> ReadingProblem {
    ReadingProblem::Unreadable(why.to_owned())
}

/// Whether a relation is the engine's catalog, readable with any SQL grant.
pub(in crate::reading) fn is_catalog(relation: &Relation) -> bool {
    let (schema, name) = (relation.schema(), relation.name());
    if relation.dialect() == Dialect::Mysql {
        return schema == "information_schema" && MYSQL_CATALOG.binary_search(&name).is_ok();
    }
    let own = ["_pg_", "foreign_", "user_mapping"].iter().any(|start| name.starts_with(start));
    match schema {
        "information_schema" => !own && name != "*",
        "pg_catalog" => POSTGRES_CATALOG.binary_search(&name).is_ok(),
        _ => false,
    }
}

/// Whether a relation belongs to the engine or the broker: never to be written.
pub(in crate::reading) fn is_reserved(relation: &Relation) -> bool {
    let (schema, name) = (relation.schema(), relation.name());
    if schema.eq_ignore_ascii_case(FENCE_SCHEMA) {
        return true;
    }
    if relation.dialect() == Dialect::Mysql {
        return MYSQL_SYSTEM.iter().any(|system| schema.eq_ignore_ascii_case(system));
    }
    // Bare names that start so are the catalog's; a table of that name would stand in for it.
    (schema.starts_with("pg_") && schema != TEMP) || schema == "information_schema" || name.starts_with("pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_hold_no_rows_settings_or_secrets() {
        assert!(POSTGRES_CATALOG.is_sorted() && MYSQL_CATALOG.is_sorted());
        for name in [
            "pg_authid",
            "pg_shadow",
            "pg_user_mapping",
            "pg_user_mappings",
            "pg_file_settings",
            "pg_hba_file_rules",
            "pg_stat_activity",
            "pg_stat_ssl",
            "pg_largeobject",
            "pg_statistic",
            "pg_stats",
            "pg_settings",
            "pg_subscription",
            "pg_foreign_server",
            "pg_stats_ext",
        ] {
            assert!(!is_catalog(&Relation::new(Dialect::Postgres, "pg_catalog", name)), "{name}");
        }
        for name in ["processlist", "user_privileges", "global_variables", "routines", "innodb_metrics"] {
            assert!(!is_catalog(&Relation::new(Dialect::Mysql, "information_schema", name)), "{name}");
        }
    }
}
