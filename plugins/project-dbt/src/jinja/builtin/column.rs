//! Columns as templates see them.
//!
//! In: a [`ColumnInfo`]. Out: an object with dbt's fields and methods.
//! Never: asks the warehouse.
//! Fails: where a size is asked of a column that is not text.
//! Source: `Column` and `PostgresColumn` of dbt's adapters, as macros use them.

use std::any::Any;
use std::cmp::Ordering;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Native, Python, native, none};
use super::super::world::ColumnInfo;

/// A column.
#[derive(Debug, Clone)]
pub(in super::super) struct Column {
    info: ColumnInfo,
    mark: char,
}

impl Column {
    /// A column as a value.
    pub(super) fn value(info: ColumnInfo, mark: char) -> Value {
        native(Self { info, mark })
    }

    fn is(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.info.dtype.eq_ignore_ascii_case(kind))
    }

    fn is_string(&self) -> bool {
        self.is(&[
            "text",
            "character varying",
            "character",
            "varchar",
            "longtext",
            "mediumtext",
            "char",
            "string",
        ])
    }

    fn is_float(&self) -> bool {
        self.is(&["real", "float4", "float", "double precision", "float8", "double"])
    }

    fn is_integer(&self) -> bool {
        self.is(&[
            "smallint",
            "integer",
            "bigint",
            "smallserial",
            "serial",
            "bigserial",
            "int2",
            "int4",
            "int8",
            "serial2",
            "serial4",
            "serial8",
            "int",
            "mediumint",
            "tinyint",
        ])
    }

    fn is_numeric(&self) -> bool {
        self.is(&["numeric", "decimal"])
    }

    fn size(&self) -> i64 {
        if self.is(&["text"]) { 256 } else { self.info.char_size.unwrap_or(256) }
    }

    /// The type with its sizes.
    fn data_type(&self) -> String {
        let info = &self.info;
        if self.is(&["text"]) || (self.is_string() && info.char_size.is_none()) {
            info.dtype.clone()
        } else if self.is_string() {
            format!("character varying({})", self.size())
        } else if self.is_numeric() {
            numeric_type(&info.dtype, info.numeric_precision, info.numeric_scale)
        } else {
            info.dtype.clone()
        }
    }
}

fn numeric_type(dtype: &str, precision: Option<i64>, scale: Option<i64>) -> String {
    match (precision, scale) {
        (Some(precision), Some(scale)) => format!("{dtype}({precision},{scale})"),
        _ => dtype.to_owned(),
    }
}

/// The warehouse's name of one of dbt's type labels.
fn translated(label: &str) -> String {
    if label.eq_ignore_ascii_case("string") { "TEXT".to_owned() } else { label.to_owned() }
}

impl Python for Column {
    fn type_name(&self) -> &'static str {
        "Column"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let number = |value: Option<i64>| value.map_or_else(none, Value::from);
        Some(match name {
            "name" | "column" => Value::from(self.info.name.as_str()),
            "quoted" => Value::from(format!("{0}{1}{0}", self.mark, self.info.name)),
            "dtype" => Value::from(self.info.dtype.as_str()),
            "data_type" => Value::from(self.data_type()),
            "char_size" => number(self.info.char_size),
            "numeric_precision" => number(self.info.numeric_precision),
            "numeric_scale" => number(self.info.numeric_scale),
            _ => return None,
        })
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.attr(key.as_str()?)
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "is_string",
            "is_number",
            "is_float",
            "is_integer",
            "is_numeric",
            "string_size",
            "can_expand_to",
            "literal",
        ]
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        Some(Ok(Value::from(match name {
            "is_string" => self.is_string(),
            "is_number" => self.is_integer() || self.is_numeric() || self.is_float(),
            "is_float" => self.is_float(),
            "is_integer" => self.is_integer(),
            "is_numeric" => self.is_numeric(),
            "string_size" if self.is_string() => return Some(Ok(Value::from(self.size()))),
            "string_size" => return Some(fail("Called string_size() on non-string field!")),
            "can_expand_to" => {
                let other = args.take("other_column")?;
                let other = other.downcast_object_ref::<Native>()?.get::<Self>()?;
                self.is_string() && other.is_string() && other.size() > self.size()
            }
            "literal" => {
                let text = args.text("value").unwrap_or_default();
                return Some(Ok(Value::from(format!("{text}::{}", self.data_type()))));
            }
            _ => return class_method(name, args),
        })))
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        let other = other.downcast_object_ref::<Native>()?.get::<Self>()?;
        (self.info == other.info).then_some(Ordering::Equal)
    }

    fn text(&self) -> String {
        format!("<Column {} ({})>", self.info.name, self.data_type())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `api.Column(name, dtype, …)`.
pub(super) fn new(args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("Column", "column")?;
    let dtype = args.need_text("Column", "dtype")?;
    let mut number = |name: &str| -> Outcome<Option<i64>> {
        Ok(args.int(name)?.and_then(|number| i64::try_from(number).ok()))
    };
    let char_size = number("char_size")?;
    let numeric_precision = number("numeric_precision")?;
    let numeric_scale = number("numeric_scale")?;
    Ok(Column::value(ColumnInfo { name, dtype, char_size, numeric_precision, numeric_scale }, '"'))
}

/// `api.Column.…(…)`.
pub(super) fn class_method(name: &str, args: &mut Args) -> Option<Outcome<Value>> {
    let run = |args: &mut Args| -> Outcome<Option<Value>> {
        Ok(Some(match name {
            "create" => {
                let column = args.need_text(name, "name")?;
                let dtype = translated(&args.need_text(name, "label_or_dtype")?);
                Column::value(ColumnInfo { name: column, dtype, ..ColumnInfo::default() }, '"')
            }
            "translate_type" => Value::from(translated(&args.need_text(name, "dtype")?)),
            "string_type" => {
                let size = args.int("size")?.map_or_else(String::new, |size| size.to_string());
                Value::from(format!("character varying({size})"))
            }
            "numeric_type" => {
                let dtype = args.need_text(name, "dtype")?;
                let precision = args.int("precision")?.and_then(|value| i64::try_from(value).ok());
                let scale = args.int("scale")?.and_then(|value| i64::try_from(value).ok());
                Value::from(numeric_type(&dtype, precision, scale))
            }
            "from_description" => {
                let column = args.need_text(name, "name")?;
                described(&column, &args.need_text(name, "raw_data_type")?)
            }
            _ => return Ok(None),
        }))
    };
    run(args).transpose()
}

/// A column out of a type as it is written: `numeric(10,2)`.
fn described(name: &str, raw: &str) -> Value {
    let (dtype, sizes) = raw.split_once('(').unwrap_or((raw, ""));
    let sizes: Vec<i64> =
        sizes.trim_end_matches(')').split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let mut info =
        ColumnInfo { name: name.to_owned(), dtype: dtype.trim().to_owned(), ..ColumnInfo::default() };
    match sizes.as_slice() {
        [size] => info.char_size = Some(*size),
        [precision, scale] => {
            info.numeric_precision = Some(*precision);
            info.numeric_scale = Some(*scale);
        }
        _ => {}
    }
    Column::value(info, '"')
}

/// The column that a value is, or its name.
pub(super) fn name_of(value: &Value) -> String {
    let found = value.downcast_object_ref::<Native>().and_then(|native| native.get::<Column>());
    found.map_or_else(|| value::text(value), |column| column.info.name.clone())
}
