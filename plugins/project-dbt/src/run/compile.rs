//! From a node's template to the statement it stands for.
//!
//! In: the template, the world around it. Out: SQL, with the ephemeral models it reads as common
//! table expressions.
//! Never: renders an ephemeral model twice, or one that is not read.
//! Fails: with [`codes::RENDER`], naming node, file and line.
//! Source: dbt's compiler: `__dbt__cte__<name>`, in front of the statement's own.

use cofferdam_sdk::TaskFailure;

use super::Run;
use super::split::words;
use super::world::{Around, EPHEMERAL, Scene, Stubs};
use crate::document::Document;

impl Run<'_> {
    /// The statement of the world's node; also what the world says is its compiled code from now on.
    pub(super) fn compile(&self, around: &Around<'_>) -> Result<String, TaskFailure> {
        let node = &around.document.node;
        self.compile_text(around, node.raw_code())
    }

    /// The statement that a text of the node stands for.
    pub(super) fn compile_text(&self, around: &Around<'_>, text: &str) -> Result<String, TaskFailure> {
        let node = &around.document.node;
        let rendered =
            around.with(|| around.scene.engine.render(node.package(), &around.document.file, text, around));
        let rendered = rendered.map_err(|why| self.render_failure(&why))?;
        let used = around.used.borrow().clone();
        let mut expressions = Vec::new();
        for unique_id in &used {
            self.expression(around.scene, around.document, around.stubs, unique_id, &mut expressions)?;
        }
        let sql = injected(rendered.trim().trim_end_matches(';').trim_end(), &expressions, self.mysql);
        *around.compiled.borrow_mut() = Some(sql.clone());
        Ok(sql)
    }

    /// Adds an ephemeral model behind those it reads.
    fn expression(
        &self,
        scene: &Scene<'_>,
        top: &Document,
        stubs: Option<&Stubs>,
        unique_id: &str,
        expressions: &mut Vec<(String, String)>,
    ) -> Result<(), TaskFailure> {
        let Some(document) = top.ephemerals.iter().find(|one| one.node.unique_id() == unique_id) else {
            return Ok(());
        };
        let name = format!("{EPHEMERAL}{}", document.node.name());
        if stubs.is_some_and(|stubs| stubs.inputs.contains_key(unique_id))
            || expressions.iter().any(|(known, _)| *known == name)
        {
            return Ok(());
        }
        let mut around = Around::new(scene, document);
        around.stubs = stubs;
        let rendered = around.with(|| {
            scene.engine.render(document.node.package(), &document.file, document.node.raw_code(), &around)
        });
        let rendered = rendered.map_err(|why| self.render_failure(&why))?;
        for unique_id in around.used.borrow().iter() {
            self.expression(scene, top, stubs, unique_id, expressions)?;
        }
        expressions.push((name, rendered.trim().trim_end_matches(';').to_owned()));
        Ok(())
    }
}

/// The statement with these common table expressions in front of its own.
pub(super) fn injected(sql: &str, expressions: &[(String, String)], mysql: bool) -> String {
    if expressions.is_empty() {
        return sql.to_owned();
    }
    let all: Vec<String> = expressions.iter().map(|(name, text)| format!("{name} as (\n{text}\n)")).collect();
    let all = all.join(", ");
    let mut first = words(sql, mysql);
    match first.next() {
        Some(with) if with.eq_ignore_ascii_case("with") => {
            let recursive = first.next().filter(|word| word.eq_ignore_ascii_case("recursive"));
            let last = recursive.unwrap_or(with);
            // Both are parts of the text itself.
            let end = last.as_ptr() as usize - sql.as_ptr() as usize + last.len();
            format!("{} {all}, {}", &sql[..end], sql[end..].trim_start())
        }
        _ => format!("with {all}\n{sql}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_come_before_those_of_the_statement() {
        let one = [("__dbt__cte__a".to_owned(), "select 1".to_owned())];
        insta::assert_snapshot!(injected("select * from __dbt__cte__a", &one, false), @"
        with __dbt__cte__a as (
        select 1
        )
        select * from __dbt__cte__a
        ");
        insta::assert_snapshot!(injected("-- with\nWITH b as (select 2) select 3", &one, false), @"
        -- with
        WITH __dbt__cte__a as (
        select 1
        ), b as (select 2) select 3
        ");
        insta::assert_snapshot!(injected("with recursive b as (select 2) select 3", &one, false), @"
        with recursive __dbt__cte__a as (
        select 1
        ), b as (select 2) select 3
        ");
        assert_eq!(injected("select 1", &[], false), "select 1");
        assert!(injected("select with_tax from t", &one, false).starts_with("with __dbt__cte__a as ("));
    }
}
