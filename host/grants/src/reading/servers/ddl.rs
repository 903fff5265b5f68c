//! Statements about relations themselves: what they write before their expressions are looked at.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation as Op, BinaryOperator, ColumnDef, ColumnOption,
    CommentObject, CreateIndex, CreateTable, CreateTableLikeKind, CreateTableOptions, CreateView, DataType,
    DropBehavior, Expr, Grant, GrantObjects, Ident, ObjectName, ObjectType, Privileges, RenameTableNameKind,
    Revoke, SetExpr, SqlOption, Statement, TableConstraint, Truncate,
    helpers::stmt_create_table::CreateTableBuilder,
};
use sqlparser::tokenizer::Token;

use super::{Found, dml, names::TEMP, only, table, types, walk::Walk};
use crate::file::Beyond;
use crate::reading::{ReadingProblem, Relation, StatementKind as Kind, walk::first_words};

/// Options of a table that change how it is kept, and never where or from whom.
const POSTGRES_OPTIONS: [&str; 6] = [
    "autovacuum_enabled",
    "check_option",
    "fillfactor",
    "parallel_workers",
    "security_barrier",
    "security_invoker",
];
const INDEX_OPTIONS: [&str; 7] = [
    "autosummarize",
    "buffering",
    "deduplicate_items",
    "fastupdate",
    "fillfactor",
    "gin_pending_list_limit",
    "pages_per_range",
];
const MYSQL_OPTIONS: [&str; 9] = [
    "auto_increment",
    "character set",
    "charset",
    "collate",
    "comment",
    "default character set",
    "default charset",
    "default collate",
    "row_format",
];
/// Storage engines of MariaDB that keep rows in the server's own files.
const ENGINES: [&str; 5] = ["aria", "columnstore", "innodb", "memory", "myisam"];

/// Finds what a statement is and which relations it makes, changes or drops.
pub(super) fn effect(walk: &mut Walk<'_>, statement: &Statement) -> Found<Kind> {
    match statement {
        Statement::Query(query) => Ok(match &*query.body {
            SetExpr::Insert(_) => Kind::Insert,
            SetExpr::Update(_) => Kind::Update,
            SetExpr::Delete(_) => Kind::Delete,
            SetExpr::Merge(_) => Kind::Merge,
            _ => Kind::Select,
        }),
        one if dml::is_one(one) => Ok(Kind::Select),
        Statement::CreateTable(create) => create_table(walk, create),
        Statement::CreateView(create) => create_view(walk, create),
        Statement::CreateIndex(create) => create_index(walk, create),
        Statement::AlterTable(alter) => alter_table(walk, alter),
        Statement::CreateSequence {
            temporary: false,
            if_not_exists: _,
            name,
            data_type: None | Some(DataType::SmallInt(_) | DataType::Integer(_) | DataType::BigInt(_)),
            sequence_options: _,
            owned_by: None,
        } if walk.is_postgres() => {
            walk.write(name)?;
            Ok(Kind::Create)
        }
        Statement::Drop {
            object_type,
            if_exists: _,
            names,
            cascade,
            restrict: _,
            purge: false,
            temporary,
            table,
        } => {
            walk.reach(Beyond::Cascade, *cascade);
            only(!temporary || !walk.is_postgres(), "DROP")?;
            drop_all(walk, *object_type, names, table.as_ref())
        }
        Statement::Truncate(truncate) => truncate_all(walk, truncate),
        Statement::Comment { object_type, object_name, comment: _, if_exists: _ } => {
            comment_on(walk, *object_type, object_name)
        }
        Statement::RenameTable(renames) => {
            for rename in renames {
                walk.write(&rename.old_name)?;
                walk.write(&rename.new_name)?;
            }
            Ok(Kind::Alter)
        }
        Statement::Grant(grant) => give_rights(walk, grant),
        Statement::Revoke(revoke) => {
            let Revoke { grant_option_for, privileges, objects, grantees: _, granted_by, cascade } = revoke;
            only(!grant_option_for && granted_by.is_none() && cascade.is_none(), "REVOKE")?;
            rights(walk, privileges, objects.as_ref())?;
            Ok(Kind::Revoke)
        }
        other => Err(ReadingProblem::Kind(first_words(other))),
    }
}

fn give_rights(walk: &mut Walk<'_>, grant: &Grant) -> Found<Kind> {
    let Grant { privileges, objects, grantees: _, with_grant_option, as_grantor, granted_by, current_grants } =
        grant;
    let plain =
        !with_grant_option && as_grantor.is_none() && granted_by.is_none() && current_grants.is_none();
    only(plain, "GRANT")?;
    rights(walk, privileges, objects.as_ref())?;
    Ok(Kind::Grant)
}

fn create_table(walk: &mut Walk<'_>, create: &CreateTable) -> Found<Kind> {
    let mysql = !walk.is_postgres();
    // Built anew from the parts that are known, it must be the same.
    let known = CreateTableBuilder::new(create.name.clone())
        .or_replace(mysql && create.or_replace)
        .temporary(create.temporary)
        .unlogged(create.unlogged)
        .if_not_exists(create.if_not_exists)
        .columns(create.columns.clone())
        .constraints(create.constraints.clone())
        .hive_distribution(create.hive_distribution.clone())
        .hive_formats(create.hive_formats.clone())
        .query(create.query.clone())
        .like(create.like.clone())
        .on_commit(create.on_commit)
        .partition_by(create.partition_by.clone())
        .table_options(create.table_options.clone())
        .with_data(create.with_data)
        .build();
    only(known == *create, "CREATE TABLE")?;
    options(walk, &create.table_options)?;
    let own =
        if create.temporary && !mysql { temporary(walk, &create.name)? } else { walk.write(&create.name)? };
    if let Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like)) = &create.like {
        walk.read(&like.name)?;
        walk.accounted.push(&like.name);
    }
    for column in &create.columns {
        column_def(walk, column, &own)?;
    }
    for constraint in &create.constraints {
        table_constraint(walk, constraint, &own)?;
    }
    Ok(Kind::Create)
}

/// A temporary relation of PostgreSQL belongs to a schema of the session, and to no other.
fn temporary(walk: &mut Walk<'_>, name: &ObjectName) -> Found<Relation> {
    let named = walk.names.relation(name)?;
    let own = walk.names.made(TEMP, named.name())?;
    only(name.0.len() == 1 || named.schema() == TEMP, "CREATE TEMPORARY TABLE")?;
    walk.accounted.push(name);
    walk.write_relation(own.clone())?;
    Ok(own)
}

fn options(walk: &mut Walk<'_>, options: &CreateTableOptions) -> Found<()> {
    let (list, known): (&[SqlOption], &[&str]) = match options {
        CreateTableOptions::None => return Ok(()),
        CreateTableOptions::With(list) if walk.is_postgres() => (list, &POSTGRES_OPTIONS),
        CreateTableOptions::Plain(list) if !walk.is_postgres() => (list, &MYSQL_OPTIONS),
        _ => return only(false, "table options"),
    };
    each_option(walk, list, known)
}

fn each_option(walk: &mut Walk<'_>, list: &[SqlOption], known: &[&str]) -> Found<()> {
    for option in list {
        let fits = match option {
            SqlOption::Comment(_) => true,
            SqlOption::KeyValue { key, value } => {
                is_option_value(walk, value) && known.contains(&&*key.value.to_ascii_lowercase())
            }
            SqlOption::NamedParenthesizedList(list) => {
                let engine = list.name.as_ref().map(|name| name.value.to_ascii_lowercase());
                list.key.value.eq_ignore_ascii_case("engine")
                    && list.values.is_empty()
                    && engine.is_some_and(|engine| ENGINES.contains(&&*engine))
            }
            _ => false,
        };
        only(fits, "table options")?;
    }
    Ok(())
}

/// A foreign key reads the table it points at. MySQL looks for it beside its own.
fn foreign(walk: &mut Walk<'_>, table: &ObjectName, own: &Relation) -> Found<()> {
    walk.accounted.push(table);
    if table.0.len() == 1 && !walk.is_postgres() {
        let name = walk.names.relation(table)?;
        let beside = walk.names.made(own.schema(), name.name())?;
        walk.reads.insert(beside);
        return Ok(());
    }
    walk.read(table)
}

fn column_def(walk: &mut Walk<'_>, column: &ColumnDef, own: &Relation) -> Found<()> {
    types::check(&column.data_type)?;
    column.options.iter().try_for_each(|option| column_option(walk, &option.option, own))
}

fn column_option(walk: &mut Walk<'_>, option: &ColumnOption, own: &Relation) -> Found<()> {
    match option {
        ColumnOption::ForeignKey(key) => foreign(walk, &key.foreign_table, own),
        ColumnOption::Null
        | ColumnOption::NotNull
        | ColumnOption::Default(_)
        | ColumnOption::PrimaryKey(_)
        | ColumnOption::Unique(_)
        | ColumnOption::Check(_)
        | ColumnOption::CharacterSet(_)
        | ColumnOption::Collation(_)
        | ColumnOption::Comment(_)
        | ColumnOption::OnUpdate(_)
        | ColumnOption::Generated { .. } => Ok(()),
        ColumnOption::DialectSpecific(tokens) => {
            let known =
                |t: &Token| matches!(t, Token::Word(w) if w.value.eq_ignore_ascii_case("auto_increment"));
            only(!walk.is_postgres() && tokens.iter().all(known), "column")
        }
        _ => only(false, "column"),
    }
}

fn table_constraint(walk: &mut Walk<'_>, constraint: &TableConstraint, own: &Relation) -> Found<()> {
    match constraint {
        TableConstraint::ForeignKey(key) => foreign(walk, &key.foreign_table, own),
        TableConstraint::Exclude(_) => only(false, "constraint"),
        _ => Ok(()),
    }
}

fn create_view(walk: &mut Walk<'_>, create: &CreateView) -> Found<Kind> {
    let CreateView {
        or_alter,
        or_replace: _,
        materialized,
        secure,
        name,
        name_before_not_exists: _,
        columns: _,
        query: _,
        options: with,
        cluster_by,
        comment,
        with_no_schema_binding,
        if_not_exists: _,
        temporary: own,
        copy_grants,
        to,
        params,
    } = create;
    let plain = !or_alter
        && !secure
        && cluster_by.is_empty()
        && comment.is_none()
        && !with_no_schema_binding
        && !copy_grants
        && to.is_none()
        && params.as_ref().is_none_or(|params| params.definer.is_none())
        && (walk.is_postgres() || (!materialized && !own));
    only(plain, "CREATE VIEW")?;
    options(walk, with)?;
    if *own {
        temporary(walk, name)?
    } else {
        walk.write(name)?
    };
    Ok(Kind::Create)
}

/// An index is a part of its table. PostgreSQL names it beside the table, MySQL within.
fn create_index(walk: &mut Walk<'_>, create: &CreateIndex) -> Found<Kind> {
    let CreateIndex {
        name,
        table_name,
        using: _,
        columns: _,
        unique: _,
        concurrently: _,
        r#async,
        if_not_exists: _,
        include: _,
        nulls_distinct: _,
        with,
        predicate: _,
        index_options,
        alter_options,
    } = create;
    let bare = name.as_ref().is_none_or(|name| name.0.len() == 1);
    only(
        bare && !r#async
            && with.iter().all(|option| is_index_option(walk, option))
            && index_options.is_empty()
            && alter_options.is_empty(),
        "CREATE INDEX",
    )?;
    walk.write(table_name)?;
    Ok(Kind::Create)
}

fn is_index_option(walk: &mut Walk<'_>, option: &Expr) -> bool {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = option else { return false };
    let known = |name: &Ident| INDEX_OPTIONS.contains(&&*name.value);
    matches!(&**left, Expr::Identifier(name) if known(name)) && is_option_value(walk, right)
}

/// A plain value; `on` is one here.
fn is_option_value(walk: &mut Walk<'_>, value: &Expr) -> bool {
    if let Expr::Identifier(word) = value
        && word.quote_style.is_none()
        && word.value == "on"
    {
        walk.allowed_words.insert(word);
    }
    table::is_literal(value)
}

fn drop_all(
    walk: &mut Walk<'_>,
    of: ObjectType,
    names: &[ObjectName],
    table: Option<&ObjectName>,
) -> Found<Kind> {
    let mysql = !walk.is_postgres();
    match of {
        ObjectType::Index if mysql => {
            let Some(table) = table else { return only(false, "DROP INDEX").map(|()| Kind::Drop) };
            walk.write(table)?;
            return Ok(Kind::Drop);
        }
        ObjectType::Table | ObjectType::View => {}
        ObjectType::MaterializedView | ObjectType::Index | ObjectType::Sequence if !mysql => {}
        ObjectType::Schema => {}
        ObjectType::Database if mysql => {}
        other => return Err(ReadingProblem::Kind(format!("DROP {other}"))),
    }
    only(table.is_none(), "DROP")?;
    for name in names {
        if matches!(of, ObjectType::Schema | ObjectType::Database) {
            let all = walk.names.all_of(name)?;
            walk.reach(Beyond::Schemas, true);
            walk.accounted.push(name);
            walk.write_relation(all)?;
        } else {
            walk.write(name)?;
        }
    }
    Ok(Kind::Drop)
}

fn truncate_all(walk: &mut Walk<'_>, truncate: &Truncate) -> Found<Kind> {
    let Truncate { table_names, partitions, table: _, if_exists: _, identity: _, cascade, on_cluster } =
        truncate;
    only(partitions.is_none() && on_cluster.is_none(), "TRUNCATE")?;
    walk.reach(Beyond::Cascade, matches!(cascade, Some(sqlparser::ast::CascadeOption::Cascade)));
    for target in table_names {
        only(!target.only && !target.has_asterisk, "TRUNCATE")?;
        walk.write(&target.name)?;
    }
    Ok(Kind::Truncate)
}

fn comment_on(walk: &mut Walk<'_>, of: CommentObject, name: &ObjectName) -> Found<Kind> {
    match of {
        CommentObject::Table
        | CommentObject::View
        | CommentObject::MaterializedView
        | CommentObject::Index => {
            walk.write(name)?;
        }
        CommentObject::Column => {
            let Some((_, table)) = name.0.split_last() else {
                return only(false, "COMMENT").map(|()| Kind::Comment);
            };
            let relation = walk.names.relation(&ObjectName(table.to_vec()))?;
            walk.accounted.push(name);
            walk.write_relation(relation)?;
        }
        other => return Err(ReadingProblem::Kind(format!("COMMENT ON {other}"))),
    }
    Ok(Kind::Comment)
}

/// Rights on relations, or on all relations of a schema, are given by an admin.
fn rights(walk: &mut Walk<'_>, privileges: &Privileges, objects: Option<&GrantObjects>) -> Found<()> {
    use sqlparser::ast::Action;
    walk.reach(Beyond::Rights, true);
    let known = match privileges {
        Privileges::All { .. } => true,
        Privileges::Actions(actions) => actions.iter().all(|action| {
            matches!(
                action,
                Action::Select { .. }
                    | Action::Insert { .. }
                    | Action::Update { .. }
                    | Action::Delete
                    | Action::References { .. }
                    | Action::Truncate
            )
        }),
    };
    let usage = matches!(privileges, Privileges::Actions(actions) if matches!(actions[..], [Action::Usage]));
    only(known || usage, "rights")?;
    match objects {
        Some(GrantObjects::Tables(names) | GrantObjects::Views(names)) if !usage => {
            names.iter().try_for_each(|name| walk.write(name).map(drop))
        }
        Some(GrantObjects::AllTablesInSchema { schemas } | GrantObjects::AllViewsInSchema { schemas })
            if walk.is_postgres() && !usage =>
        {
            for schema in schemas {
                let all = walk.names.all_of(schema)?;
                walk.write_relation(all)?;
            }
            Ok(())
        }
        Some(GrantObjects::Schemas(schemas)) if walk.is_postgres() && usage => {
            for schema in schemas {
                let all = walk.names.all_of(schema)?;
                walk.write_relation(all)?;
            }
            Ok(())
        }
        _ => only(false, "rights"),
    }
}

fn alter_table(walk: &mut Walk<'_>, alter: &AlterTable) -> Found<Kind> {
    let AlterTable {
        name,
        if_exists: _,
        only: alone,
        operations,
        location,
        on_cluster,
        table_type,
        end_token: _,
    } = alter;
    only(!alone && location.is_none() && on_cluster.is_none() && table_type.is_none(), "ALTER TABLE")?;
    let own = walk.write(name)?;
    operations.iter().try_for_each(|operation| operate(walk, operation, &own))?;
    Ok(Kind::Alter)
}

fn operate(walk: &mut Walk<'_>, operation: &Op, own: &Relation) -> Found<()> {
    let mysql = !walk.is_postgres();
    match operation {
        Op::RenameTable { table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name) } => {
            rename(walk, name, own)
        }
        Op::AddColumn { column_def: column, .. } => column_def(walk, column, own),
        Op::AddConstraint { constraint, .. } => table_constraint(walk, constraint, own),
        Op::DropColumn { drop_behavior, .. }
        | Op::DropConstraint { drop_behavior, .. }
        | Op::DropPrimaryKey { drop_behavior }
        | Op::DropForeignKey { drop_behavior, .. } => {
            walk.reach(Beyond::Cascade, *drop_behavior == Some(DropBehavior::Cascade));
            Ok(())
        }
        Op::RenameColumn { .. } | Op::RenameConstraint { .. } | Op::ValidateConstraint { .. } => Ok(()),
        Op::AlterColumn { op, .. } => match op {
            AlterColumnOperation::SetDataType { data_type, .. } => types::check(data_type),
            AlterColumnOperation::SetNotNull
            | AlterColumnOperation::DropNotNull
            | AlterColumnOperation::SetDefault { .. }
            | AlterColumnOperation::DropDefault => Ok(()),
            AlterColumnOperation::AddGenerated { .. } => only(false, "ALTER TABLE"),
        },
        Op::ChangeColumn { data_type, options, .. } | Op::ModifyColumn { data_type, options, .. }
            if mysql =>
        {
            types::check(data_type)?;
            options.iter().try_for_each(|option| column_option(walk, option, own))
        }
        Op::DropIndex { .. } | Op::AutoIncrement { .. } | Op::Algorithm { .. } | Op::Lock { .. } if mysql => {
            Ok(())
        }
        Op::SetOptionsParens { options: list } if !mysql => each_option(walk, list, &POSTGRES_OPTIONS),
        Op::SetLogged | Op::SetUnlogged if !mysql => Ok(()),
        _ => Err(ReadingProblem::Kind("ALTER TABLE of this form".to_owned())),
    }
}

/// In PostgreSQL a table keeps its schema; MySQL takes a bare name for one of the default database.
fn rename(walk: &mut Walk<'_>, name: &ObjectName, own: &Relation) -> Found<()> {
    if !walk.is_postgres() {
        return walk.write(name).map(drop);
    }
    only(name.0.len() == 1, "ALTER TABLE")?;
    let bare = walk.names.relation(name)?;
    let renamed = walk.names.made(own.schema(), bare.name())?;
    walk.accounted.push(name);
    walk.write_relation(renamed)
}
