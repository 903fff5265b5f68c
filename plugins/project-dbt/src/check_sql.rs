//! The statements of the generic tests: each finds the rows that break the claim.
//!
//! In: a claim, the relation and the column as the warehouse writes them. Out: one SELECT.
//! Never: binds values; they come from the signed release, and text is quoted.
//! Fails: not at all.
//! Source: dbt's `unique`, `not_null`, `accepted_values` and `relationships`.

use serde_json::Value as Json;

use crate::settings::Claim;

/// The rows of `relation` whose `column` breaks the claim. `to` is the other relation of
/// `relationships`, `condition` the `where` of the test.
#[must_use]
pub fn failing_rows(
    claim: &Claim,
    relation: &str,
    column: &str,
    to: &str,
    condition: Option<&str>,
) -> String {
    let from = match condition {
        Some(condition) => format!("(select * from {relation} where {condition}) as checked"),
        None => relation.to_owned(),
    };
    match claim {
        Claim::Unique => format!(
            "select {column} as unique_field, count(*) as n_records from {from} where {column} is not null group by {column} having count(*) > 1"
        ),
        Claim::NotNull => format!("select {column} from {from} where {column} is null"),
        Claim::AcceptedValues { values, quote } => {
            let values: Vec<String> = values.iter().map(|value| literal(value, *quote)).collect();
            format!(
                "select value_field, n_records from (select {column} as value_field, count(*) as n_records from {from} group by {column}) as all_values where value_field not in ({})",
                values.join(", ")
            )
        }
        Claim::Relationships { field, .. } => format!(
            "select child.from_field from (select {column} as from_field from {from} where {column} is not null) as child left join (select {field} as to_field from {to}) as parent on child.from_field = parent.to_field where parent.to_field is null"
        ),
    }
}

fn literal(value: &Json, quote: bool) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    if quote { format!("'{}'", text.replace('\'', "''")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(claim: &Claim) -> String {
        failing_rows(claim, "\"raw\".\"flights\"", "carrier", "\"raw\".\"airlines\"", None)
    }

    #[test]
    fn each_claim_is_a_query_for_the_rows_that_break_it() {
        insta::assert_snapshot!(sql(&Claim::Unique), @r#"select carrier as unique_field, count(*) as n_records from "raw"."flights" where carrier is not null group by carrier having count(*) > 1"#);
        insta::assert_snapshot!(sql(&Claim::NotNull), @r#"select carrier from "raw"."flights" where carrier is null"#);
        let values = vec!["UA".into(), "O'Hare".into(), 7.into()];
        insta::assert_snapshot!(sql(&Claim::AcceptedValues { values: values.clone(), quote: true }), @r#"select value_field, n_records from (select carrier as value_field, count(*) as n_records from "raw"."flights" group by carrier) as all_values where value_field not in ('UA', 'O''Hare', '7')"#);
        insta::assert_snapshot!(sql(&Claim::AcceptedValues { values: vec![1.into()], quote: false }), @r#"select value_field, n_records from (select carrier as value_field, count(*) as n_records from "raw"."flights" group by carrier) as all_values where value_field not in (1)"#);
        let to = crate::settings::RelationName("raw".into(), "airlines".into());
        insta::assert_snapshot!(sql(&Claim::Relationships { to, field: "carrier".into() }), @r#"select child.from_field from (select carrier as from_field from "raw"."flights" where carrier is not null) as child left join (select carrier as to_field from "raw"."airlines") as parent on child.from_field = parent.to_field where parent.to_field is null"#);
    }

    #[test]
    fn a_condition_narrows_what_is_looked_at() {
        let sql = failing_rows(&Claim::NotNull, "\"a\".\"b\"", "c", "", Some("d > 1"));
        insta::assert_snapshot!(sql, @r#"select c from (select * from "a"."b" where d > 1) as checked where c is null"#);
    }
}
