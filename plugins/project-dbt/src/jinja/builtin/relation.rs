//! Relations as templates see them, and `api`.
//!
//! In: a [`RelationName`]. Out: an object that is its name in a statement, with fields and methods.
//! Never: asks the warehouse.
//! Fails: where a part of a name is unknown.
//! Source: `BaseRelation` of dbt's adapters, as macros use it.

use std::any::Any;
use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ObjectRepr;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Dict, Native, Python, count, native, none};
use super::super::world::{Quoting, RelationKind, RelationName};

/// A relation.
#[derive(Debug, Clone)]
pub(in super::super) struct RelationObject {
    /// Its name.
    pub(in super::super) name: RelationName,
    /// Which parts are written: database, schema, identifier.
    include: [bool; 3],
    /// What is written in place of schema and identifier: a view of the information schema.
    information: Option<Option<String>>,
}

/// How long the name of a table or view may be, in PostgreSQL.
const NAME_MAX: usize = 63;

const PARTS: [&str; 3] = ["database", "schema", "identifier"];

impl RelationName {
    /// The relation as templates see it: text in statements, with `.schema`, `.include(…)`, ….
    #[must_use]
    pub fn into_value(self) -> Value {
        native(RelationObject::new(self))
    }

    /// The relation that a value is, if it is one.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let native = value.downcast_object_ref::<Native>()?;
        native.get::<RelationObject>().map(|relation| relation.name.clone())
    }

    /// Its name as a statement writes it, with its limit and window.
    #[must_use]
    pub fn render(&self) -> String {
        RelationObject::new(self.clone()).render()
    }
}

impl RelationObject {
    fn new(name: RelationName) -> Self {
        Self { name, include: [true; 3], information: None }
    }

    fn part(&self, part: &str) -> Option<&String> {
        match part {
            "database" => self.name.database.as_ref(),
            "schema" => self.name.schema.as_ref(),
            _ => self.name.identifier.as_ref(),
        }
    }

    /// The name without limit and window.
    fn plain(&self) -> String {
        let quoting = self.name.quoting;
        let quoted = |text: &str| format!("{0}{text}{0}", quoting.mark);
        let mut parts = Vec::new();
        let policy = [quoting.database, quoting.schema, quoting.identifier];
        for ((part, include), quote) in PARTS.iter().zip(self.include).zip(policy) {
            if let Some(view) = &self.information
                && *part != "database"
            {
                match part {
                    &"schema" => parts.push("INFORMATION_SCHEMA".to_owned()),
                    _ => parts.extend(view.clone()),
                }
                continue;
            }
            if let (true, Some(text)) = (include, self.part(part)) {
                parts.push(if quote { quoted(text) } else { text.clone() });
            }
        }
        parts.join(".")
    }

    fn render(&self) -> String {
        let plain = self.plain();
        let name = self.name.identifier.as_deref().unwrap_or_default();
        let mut inner = plain.clone();
        if let Some(window) = &self.name.window {
            let bounds = [(&window.start, ">="), (&window.end, "<")];
            let bounds = bounds
                .iter()
                .filter_map(|(bound, sign)| Some(format!("{} {sign} '{}'", window.field, bound.as_ref()?)));
            let bounds: Vec<String> = bounds.collect();
            if !bounds.is_empty() {
                inner = format!(
                    "(select * from {plain} where {}) _dbt_et_filter_subq_{name}",
                    bounds.join(" and ")
                );
            }
        }
        match self.name.limit {
            Some(0) => format!("(select * from {plain} where false limit 0) _dbt_limit_subq_{name}"),
            Some(limit) => format!("(select * from {inner} limit {limit}) _dbt_limit_subq_{name}"),
            None => inner,
        }
    }

    fn kind(&self) -> Value {
        self.name.kind.map_or_else(none, |kind| Value::from(kind.as_str()))
    }

    fn flags(&self, flags: [bool; 3]) -> Value {
        Dict::of(PARTS.into_iter().zip(flags.map(Value::from)))
    }

    fn path(&self) -> Value {
        let part = |part: &&'static str| {
            (*part, self.part(part).map_or_else(none, |text| Value::from(text.as_str())))
        };
        Dict::of(PARTS.iter().map(part))
    }

    fn type_label(&self) -> &'static str {
        if self.name.quoting.mark == '`' { "MySQLRelation" } else { "PostgresRelation" }
    }

    /// Like this one, with other parts.
    fn with_path(&self, args: &mut Args) -> Self {
        let mut changed = self.clone();
        for part in PARTS {
            if let Some(value) = args.named(part) {
                let text = (!value.is_none()).then(|| value::text(&value));
                match part {
                    "database" => changed.name.database = text,
                    "schema" => changed.name.schema = text,
                    _ => changed.name.identifier = text,
                }
            }
        }
        changed
    }

    /// Refuses a name that PostgreSQL would cut, where it is one of a table or view: another of the
    /// same start would be the same relation.
    fn sound(self, cx: &Interp<'_>) -> Outcome<Self> {
        match &self.name.identifier {
            Some(name)
                if self.name.kind.is_some()
                    && cx.library.adapter_type() == "postgres"
                    && name.chars().count() > NAME_MAX =>
            {
                fail(format!("Relation name '{name}' is longer than {NAME_MAX} characters"))
            }
            _ => Ok(self),
        }
    }

    fn set_policy(policy: &mut [bool; 3], args: &mut Args) {
        for (flag, part) in policy.iter_mut().zip(PARTS) {
            if let Some(value) = args.named(part) {
                *flag = value::truthy(&value);
            }
        }
    }

    fn quoted(mut self, args: &mut Args) -> Self {
        let quoting = &mut self.name.quoting;
        let mut policy = [quoting.database, quoting.schema, quoting.identifier];
        Self::set_policy(&mut policy, args);
        [quoting.database, quoting.schema, quoting.identifier] = policy;
        self
    }

    fn incorporate(&self, args: &mut Args) -> Outcome<Self> {
        let mut changed = self.clone();
        let mapped = |value: &Value| {
            let named = value::pairs(value).unwrap_or_default();
            let named = named.into_iter().map(|(key, value)| (value::text(&key).into(), value)).collect();
            Args::new(Vec::new(), named)
        };
        for (name, value) in std::mem::take(&mut args.named) {
            match &*name {
                "path" => changed = changed.with_path(&mut mapped(&value)),
                "type" => changed.name.kind = kind_of(&value)?,
                "quote_policy" => changed = changed.quoted(&mut mapped(&value)),
                "include_policy" => Self::set_policy(&mut changed.include, &mut mapped(&value)),
                "limit" => changed.name.limit = value.as_i64().and_then(|limit| u64::try_from(limit).ok()),
                _ => {}
            }
        }
        Ok(changed)
    }
}

fn kind_of(value: &Value) -> Outcome<Option<RelationKind>> {
    if value.is_none() || value.is_undefined() {
        return Ok(None);
    }
    let name = value::text(value);
    match RelationKind::named(&name) {
        Some(kind) => Ok(Some(kind)),
        None => fail(format!("`{name}` is not a kind of relation")),
    }
}

impl Python for RelationObject {
    fn type_name(&self) -> &'static str {
        self.type_label()
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        self.render()
    }

    fn repr(&self) -> String {
        format!("<{} {}>", self.type_label(), self.render())
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        let other = RelationName::from_value(other)?;
        (self.name == other).then_some(Ordering::Equal)
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let text = |text: Option<&String>| text.map_or_else(none, |text| Value::from(text.as_str()));
        let is = |kind| Value::from(self.name.kind == Some(kind));
        let quoting = self.name.quoting;
        let replaceable = matches!(self.name.kind, Some(RelationKind::Table | RelationKind::View));
        Some(match name {
            "database" => text(self.part("database")),
            "schema" => text(self.part("schema")),
            "identifier" | "name" | "table" => text(self.part("identifier")),
            "type" => self.kind(),
            "path" => self.path(),
            "include_policy" => self.flags(self.include),
            "quote_policy" => self.flags([quoting.database, quoting.schema, quoting.identifier]),
            "quote_character" => Value::from(quoting.mark.to_string()),
            "is_table" => is(RelationKind::Table),
            "is_view" => is(RelationKind::View),
            "is_cte" => is(RelationKind::Cte),
            "is_materialized_view" => is(RelationKind::MaterializedView),
            "is_dynamic_table" | "is_iceberg_format" | "is_delta" | "is_pointer" => Value::from(false),
            "can_be_renamed" | "can_be_replaced" => Value::from(replaceable),
            "limit" => self.name.limit.map_or_else(none, |limit| value::int(i128::from(limit))),
            "dbt_created" => Value::from(false),
            "metadata" => Dict::of([("type", Value::from(self.type_label()))]),
            _ => return None,
        })
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.attr(key.as_str()?)
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        const KEYS: [&str; 7] =
            ["metadata", "path", "type", "quote_character", "include_policy", "quote_policy", "dbt_created"];
        Some(KEYS.iter().map(|key| (Value::from(*key), self.attr(key).unwrap_or_else(none))).collect())
    }

    fn length(&self) -> Option<usize> {
        Some(7)
    }

    fn json(&self) -> Option<Value> {
        None
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "include",
            "quote",
            "incorporate",
            "replace_path",
            "without_identifier",
            "information_schema",
            "render",
        ]
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        Some(Ok(native(match name {
            "include" => {
                let mut changed = self.clone();
                Self::set_policy(&mut changed.include, args);
                changed
            }
            "quote" => self.clone().quoted(args),
            "replace_path" => match self.with_path(args).sound(cx) {
                Ok(changed) => changed,
                Err(why) => return Some(Err(why)),
            },
            "without_identifier" => {
                let mut changed = self.clone();
                changed.include[2] = false;
                changed
            }
            "incorporate" | "replace" => match self.incorporate(args).and_then(|changed| changed.sound(cx)) {
                Ok(changed) => changed,
                Err(why) => return Some(Err(why)),
            },
            "information_schema" | "information_schema_only" => {
                let mut changed = self.clone();
                changed.include[0] = self.name.database.is_some();
                changed.information = Some(args.text("view_name"));
                changed
            }
            "create" => return Some(create(cx, args)),
            "render" => return Some(Ok(Value::from(self.plain()))),
            "render_limited" => return Some(Ok(Value::from(self.render()))),
            "relation_max_name_length" => return Some(Ok(count(NAME_MAX))),
            "matches" => {
                let same = PARTS.iter().all(|part| match args.take(part) {
                    Some(wanted) if !wanted.is_none() => {
                        self.part(part).is_some_and(|text| text.eq_ignore_ascii_case(&value::text(&wanted)))
                    }
                    _ => true,
                });
                return Some(Ok(Value::from(same)));
            }
            "get" => {
                let found = args.text("key").and_then(|key| self.attr(&key));
                let default = args.take("default");
                return Some(Ok(found.or(default).unwrap_or_else(none)));
            }
            "items" | "keys" | "values" => {
                let dict = Value::from_object(Dict::new(self.pairs().unwrap_or_default()));
                return super::super::method::call(cx, &dict, name, args).transpose();
            }
            "to_dict" => return Some(Ok(Value::from_object(Dict::new(self.pairs().unwrap_or_default())))),
            _ => return None,
        })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `api.Relation.create(…)`.
pub(super) fn create(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let plain = Quoting { mark: cx.library.quote_mark(), ..Quoting::default() };
    let quoting = cx.world.quoting().unwrap_or(plain);
    let mut relation = RelationObject::new(RelationName { quoting, ..RelationName::default() });
    let mut given = args.rest().into_iter();
    for part in PARTS {
        if let Some(value) = given.next() {
            args.named.push((part.into(), value));
        }
    }
    relation = relation.with_path(args);
    Ok(native(relation.incorporate(args)?.sound(cx)?))
}

/// `api`.
#[derive(Debug)]
struct Api(&'static str);

pub(super) fn api() -> Value {
    native(Api("api"))
}

impl Python for Api {
    fn type_name(&self) -> &'static str {
        "api"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn callable(&self) -> bool {
        self.0 == "Column"
    }

    fn call(&self, _: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        super::column::new(&mut args)
    }

    fn attr(&self, name: &str) -> Option<Value> {
        match (self.0, name) {
            ("api", "Relation") => Some(native(Api("Relation"))),
            ("api", "Column") => Some(native(Api("Column"))),
            ("Relation", "Table" | "View" | "CTE" | "MaterializedView" | "External") => {
                let kind = match name {
                    "MaterializedView" => "materialized_view".to_owned(),
                    other => other.to_lowercase(),
                };
                Some(Value::from(kind))
            }
            ("Relation", "get_relation_type") => Some(native(Api("Relation"))),
            _ => None,
        }
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        match (self.0, name) {
            ("Relation", "create") => Some(create(cx, args)),
            ("Relation", "relation_max_name_length") => Some(Ok(count(NAME_MAX))),
            ("Column", _) => super::column::class_method(name, args),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
