//! Seeds: CSV files, and the types of their columns.
//!
//! In: the bytes of a file, its delimiter and `column_types`. Out: a [`Seed`].
//! Never: drops a row: what is missing at its end is NULL, and so is all of an empty line behind the
//! header, as in dbt; a row with too many fields is an error with its line.
//! Fails: with a [`SeedError`].
//! Source: dbt infers types with agate: number, date, datetime, boolean, text, in this order; numbers
//! without a fraction are whole ones; empty fields and the word `null` are NULL.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use cofferdam_sdk::{Column, DataType, Value};

use crate::calendar::{Day, Moment};

/// How large a seed may be.
pub const SEED_BYTES_MAX: usize = 32 << 20;
/// How many columns it may have.
pub const COLUMNS_MAX: usize = 1_000;

/// A seed, read and typed.
#[derive(Debug)]
pub struct Seed {
    /// Its columns.
    pub columns: Vec<Column>,
    /// The types that `column_types` gives, in its words; none where they are inferred.
    pub declared: Vec<Option<String>>,
    records: Vec<csv::StringRecord>,
}

/// Why a file is not a seed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SeedError {
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// What is wrong there.
    pub message: String,
}

impl Seed {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it is too large, not UTF-8, has no header or an ambiguous one, a row of another length,
    /// or a field that does not fit the type `column_types` gives its column.
    pub fn parse(
        bytes: &[u8],
        delimiter: Option<char>,
        column_types: &BTreeMap<String, String>,
    ) -> Result<Self, SeedError> {
        if bytes.len() > SEED_BYTES_MAX {
            return Err(error(
                0,
                format!(
                    "the seed is larger than {} MiB; load it with a tool for bulk data",
                    SEED_BYTES_MAX >> 20
                ),
            ));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let bytes = with_empty_rows(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter.and_then(|c| u8::try_from(c).ok()).unwrap_or(b','))
            .flexible(true)
            .from_reader(&*bytes);
        let header = header(reader.headers().map_err(|why| csv_error(&why))?)?;
        let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(|why| csv_error(&why))?;
        if let Some(long) = records.iter().find(|record| record.len() > header.len()) {
            let message =
                format!("this row has {} fields, the header names {} columns", long.len(), header.len());
            return Err(error(line_of(long), message));
        }
        let (mut columns, mut declared) = (Vec::new(), Vec::new());
        for (at, name) in header.into_iter().enumerate() {
            let given = column_types.get_key_value(&name);
            let data_type = match given {
                Some((_, kind)) => named_type(kind),
                None => infer(|| records.iter().filter_map(|record| record.get(at))),
            };
            declared.push(given.map(|(_, kind)| kind.clone()));
            columns.push(Column::new(name, data_type));
        }
        let seed = Self { columns, declared, records };
        // Inferred types fit. A field that is no whole number is found when the release is built; what
        // else a column may hold is for the warehouse to say.
        for (at, given) in seed.declared.iter().enumerate() {
            if given.is_some() && seed.columns[at].data_type == DataType::Int64 {
                (0..seed.len()).try_for_each(|row| seed.cell(row, at).map(|_| ()))?;
            }
        }
        Ok(seed)
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has a header only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// One field as a value of its column's type.
    ///
    /// # Errors
    /// Where it does not fit the type its column was given.
    pub fn cell(&self, row: usize, column: usize) -> Result<Value, SeedError> {
        let record = &self.records[row];
        let field = record.get(column).unwrap_or_default();
        let of = &self.columns[column];
        // How a day or a moment is written, the warehouse knows best where its type was given.
        let is_moment = matches!(of.data_type, DataType::Date | DataType::Timestamp | DataType::TimestampUtc);
        let as_given =
            || (is_moment && self.declared[column].is_some()).then(|| Value::Text(field.trim().to_owned()));
        value(&of.data_type, field).or_else(as_given).ok_or_else(|| {
            error(
                line_of(record),
                format!("`{field}` in column `{}` is not {}", of.name, describe(&of.data_type)),
            )
        })
    }

    /// One field as it stands in the file; none where it is NULL.
    #[must_use]
    pub fn text(&self, row: usize, column: usize) -> Option<&str> {
        self.records[row].get(column).filter(|field| !is_null(field))
    }

    /// One row as values; days and moments as ISO 8601 text.
    ///
    /// # Errors
    /// Where a field does not fit the type its column was given.
    pub fn row(&self, at: usize) -> Result<Vec<Value>, SeedError> {
        (0..self.columns.len()).map(|column| self.cell(at, column)).collect()
    }
}

/// The file, an empty field on each empty line behind the header: to dbt such a line is a row.
fn with_empty_rows(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.windows(2).any(|two| two == b"\n\n") && !bytes.windows(3).any(|three| three == b"\n\r\n") {
        return bytes.into();
    }
    let (mut out, mut quoted, mut begun) = (Vec::with_capacity(bytes.len() + 16), false, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let is_empty = matches!(line, b"\n" | b"\r\n");
        if is_empty && begun && !quoted {
            out.extend_from_slice(b"\"\"");
        }
        begun |= !is_empty;
        quoted ^= line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        out.extend_from_slice(line);
    }
    out.into()
}

fn line_of(record: &csv::StringRecord) -> u32 {
    record.position().map_or(0, |position| u32::try_from(position.line()).unwrap_or(u32::MAX))
}

fn header(record: &csv::StringRecord) -> Result<Vec<String>, SeedError> {
    if record.is_empty() || record.iter().all(str::is_empty) {
        return Err(error(1, "the seed is empty; its first line names the columns"));
    }
    if record.len() > COLUMNS_MAX {
        return Err(error(1, format!("the seed has {} columns; {COLUMNS_MAX} is the limit", record.len())));
    }
    columns(record.iter())
}

/// The names of the columns, as dbt names them: a column without a name gets a letter, and of two of
/// the same name the later one a number.
///
/// # Errors
/// Where a name is too long, or two names differ in their case alone.
pub fn columns<'a>(header: impl Iterator<Item = &'a str>) -> Result<Vec<String>, SeedError> {
    let mut names: Vec<String> = Vec::new();
    let (mut exact, mut seen) = (HashSet::new(), HashSet::new());
    for (at, written) in header.enumerate() {
        let letter = || char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
        let name = match written {
            "" => letter().to_string().repeat(at / 26 + 1),
            written => written.to_owned(),
        };
        if name.len() > 255 {
            return Err(error(1, "the name of a column has at most 255 characters"));
        }
        let numbered = std::iter::once(name.clone()).chain((2..).map(|count| format!("{name}_{count}")));
        let Some(name) = numbered.into_iter().find(|name| !exact.contains(name)) else { continue };
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(error(1, format!("two columns are named `{name}`")));
        }
        exact.insert(name.clone());
        names.push(name);
    }
    Ok(names)
}

fn is_null(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || field.eq_ignore_ascii_case("null")
}

/// The first type that every field has.
fn infer<'a, F: Iterator<Item = &'a str>>(fields: impl Fn() -> F) -> DataType {
    let all = |fits: &dyn Fn(&str) -> bool| fields().all(|field| is_null(field) || fits(field));
    if all(&|field| number(field).is_some()) {
        let whole = |field: &str| number(field).is_some_and(|digits| is_whole(&digits));
        return if all(&whole) { DataType::Int64 } else { DataType::Float64 };
    }
    [DataType::Date, DataType::Timestamp, DataType::TimestampUtc, DataType::Boolean]
        .into_iter()
        .find(|data_type| {
            // Moments of two ways of writing are text.
            let same = |marked: bool| all(&|field: &str| field.contains('T') == marked);
            all(&|field| value(data_type, field).is_some())
                && (*data_type != DataType::Timestamp || same(true) || same(false))
        })
        .unwrap_or(DataType::Text)
}

/// A field as a value of this type; none where it is not one.
fn value(data_type: &DataType, field: &str) -> Option<Value> {
    if is_null(field) {
        return Some(Value::Null);
    }
    let trimmed = field.trim();
    match data_type {
        DataType::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        DataType::Int64 => whole(trimmed).map(Value::Int64),
        DataType::Float64 => {
            number(trimmed)?.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Float64)
        }
        DataType::Decimal { .. } => number(trimmed).map(|digits| Value::Text(digits.into_owned())),
        DataType::Date => Day::parse(trimmed).map(|day| Value::Text(day.iso())),
        DataType::Timestamp => Moment::parse(trimmed)
            .filter(|moment| moment.offset.is_none() && is_moment(trimmed))
            .map(|moment| Value::Text(moment.iso())),
        DataType::TimestampUtc => Moment::parse(trimmed)
            .filter(|moment| moment.offset.is_some() && trimmed.contains('T'))
            .map(|moment| Value::Text(moment.iso())),
        _ => Some(Value::Text(field.to_owned())),
    }
}

/// dbt knows seconds behind a space, where one digit is enough for each part, and parts of a second
/// and zones behind a `T` alone, where it is not.
fn is_moment(field: &str) -> bool {
    match field.split_once('T') {
        Some((_, clock)) => clock.as_bytes().get(2) == Some(&b':'),
        None => field.matches(':').count() == 2 && !field.contains('.'),
    }
}

fn whole(field: &str) -> Option<i64> {
    if let Ok(number) = field.parse() {
        return Some(number);
    }
    let digits = number(field).filter(|digits| is_whole(digits))?;
    digits.split_once('.').map_or(&*digits, |(whole, _)| whole).parse().ok()
}

/// Whether a number in digits has no fraction. One with an exponent is taken to have one.
fn is_whole(digits: &str) -> bool {
    match digits.split_once('.') {
        _ if digits.contains(['e', 'E']) => false,
        Some((_, fraction)) => fraction.bytes().all(|byte| byte == b'0'),
        None => true,
    }
}

/// A number as digits alone: without the signs of currencies, thousands and percent that dbt takes
/// for parts of one.
fn number(field: &str) -> Option<Cow<'_, str>> {
    let plain = |text: &str| {
        let digits = text.trim_start_matches(['+', '-']);
        digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && digits.bytes().any(|byte| byte.is_ascii_digit())
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
            && text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    let field = field.trim();
    if plain(field) {
        return Some(field.into());
    }
    if !field.contains(|c: char| c == ',' || c == '%' || CURRENCIES.contains(&c)) {
        return None;
    }
    let (sign, rest) =
        field.trim_matches('%').strip_prefix('-').map_or(("", field.trim_matches('%')), |rest| ("-", rest));
    let rest = rest.trim_matches(|c| CURRENCIES.contains(&c)).replace(',', "");
    let digits = format!("{sign}{rest}");
    plain(&digits).then(|| digits.into())
}

/// The signs of currencies.
const CURRENCIES: [char; 8] = ['$', '£', '€', '¥', '₽', '₹', '₩', '₺'];

/// The type that a name in `column_types` means; names of other kinds are the warehouse's own.
fn named_type(name: &str) -> DataType {
    let lower = name.trim().to_ascii_lowercase();
    let (word, arguments) = lower.split_once('(').unwrap_or((lower.as_str(), ""));
    match word.trim() {
        "int" | "integer" | "bigint" | "smallint" | "tinyint" | "int2" | "int4" | "int8" | "int64" => {
            DataType::Int64
        }
        "float" | "float4" | "float8" | "float64" | "real" | "double" | "double precision" => {
            DataType::Float64
        }
        "numeric" | "decimal" if !arguments.is_empty() => {
            let mut digits =
                arguments.trim_end_matches(')').split(',').map(|digits| digits.trim().parse::<u8>().ok());
            match (digits.next().flatten(), digits.next().flatten().unwrap_or(0)) {
                (Some(precision @ 1..=76), scale) if scale <= precision => {
                    DataType::Decimal { precision, scale }
                }
                _ => DataType::Other(name.to_owned()),
            }
        }
        "numeric" | "decimal" | "number" => DataType::Float64,
        "bool" | "boolean" => DataType::Boolean,
        "date" => DataType::Date,
        "datetime" | "timestamp" | "timestamp without time zone" => DataType::Timestamp,
        "timestamptz" | "timestamp with time zone" => DataType::TimestampUtc,
        "text" | "string" | "varchar" | "char" | "character varying" | "nvarchar" => DataType::Text,
        "json" | "jsonb" => DataType::Json,
        _ => DataType::Other(name.to_owned()),
    }
}

fn describe(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "true or false",
        DataType::Int64 => "a whole number",
        DataType::Float64 | DataType::Decimal { .. } => "a number",
        DataType::Date => "a date such as 2013-01-14",
        DataType::Timestamp => "a date and time such as 2013-01-14 05:15:00",
        DataType::TimestampUtc => "a moment such as 2013-01-14T05:15:00Z",
        _ => "a text",
    }
}

fn csv_error(why: &csv::Error) -> SeedError {
    let line = why.position().map_or(0, |position| u32::try_from(position.line()).unwrap_or(u32::MAX));
    let message = match why.kind() {
        csv::ErrorKind::Utf8 { .. } => "this row is not UTF-8 text; save the file as UTF-8".to_owned(),
        _ => why.to_string(),
    };
    error(line, message)
}

fn error(line: u32, message: impl Into<String>) -> SeedError {
    SeedError { line, message: message.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Seed, SeedError> {
        Seed::parse(text.as_bytes(), None, &BTreeMap::new())
    }

    fn types(text: &str) -> Vec<DataType> {
        parse(text).unwrap().columns.into_iter().map(|column| column.data_type).collect()
    }

    #[test]
    fn types_are_inferred_as_dbt_infers_them() {
        let text = "\
i,n,b,d,t,u,x,e
1,1.5,true,2013-01-14,2013-01-14 05:15:00,2013-01-14T05:15:00Z,N14228,
-2.0,3,False,2013-01-15,2013-01-15 00:00:00,2013-01-14T05:15:00-05:00,7,
,null,,,,,,
";
        use DataType::{Boolean, Date, Float64, Int64, Text, Timestamp, TimestampUtc};
        assert_eq!(types(text), [Int64, Float64, Boolean, Date, Timestamp, TimestampUtc, Text, Int64]);
        let seed = parse(text).unwrap();
        assert_eq!(
            seed.row(1).unwrap(),
            [
                Value::Int64(-2),
                Value::Float64(3.0),
                Value::Boolean(false),
                "2013-01-15".into(),
                "2013-01-15T00:00:00".into(),
                "2013-01-14T10:15:00Z".into(),
                "7".into(),
                Value::Null
            ]
        );
        assert_eq!(seed.row(2).unwrap(), vec![Value::Null; 8]);
        let two_ways =
            "t,m\n2013-01-14T05:15:00,2013-01-14T05:15:00\n2013-01-15T00:00:00,2013-01-15 00:00:00\n";
        assert_eq!(types(two_ways), [Timestamp, Text]);
    }

    #[test]
    fn what_dbt_takes_for_a_number_is_one_and_what_it_does_not_is_text() {
        use DataType::{Float64, Int64, Text};
        let text = "a,b,c,d,e,f\n\"$1,234\",5%,nan,1e3,2013-01-14 05:15:00.5,\"-€2.50\"\n";
        assert_eq!(types(text), [Int64, Int64, Text, Float64, Text, Float64]);
        let row = parse(text).unwrap().row(0).unwrap();
        assert_eq!(
            (&row[0], &row[1], &row[5]),
            (&Value::Int64(1234), &Value::Int64(5), &Value::Float64(-2.5))
        );
        assert_eq!(types("d\n2013-01-14\n2013-01-14 05:15:00\n"), [Text]);
    }

    #[test]
    fn column_types_win_over_inference() {
        let given = BTreeMap::from([("code".to_owned(), "varchar(3)".to_owned())]);
        let seed = Seed::parse(b"code,n\n007,1\n", None, &given).unwrap();
        assert_eq!(seed.columns[0].data_type, DataType::Text);
        assert_eq!(seed.row(0).unwrap()[0], "007".into());
    }

    #[test]
    fn a_field_that_does_not_fit_its_type_is_named_with_its_line() {
        let given = BTreeMap::from([("n".to_owned(), "integer".to_owned())]);
        let why = Seed::parse(b"n\n1\nmany\n", None, &given).unwrap_err();
        assert_eq!((why.line, why.to_string().as_str()), (3, "`many` in column `n` is not a whole number"));
    }

    #[test]
    fn what_a_row_lacks_is_null_and_an_empty_line_is_a_row() {
        let seed = parse("a,b\n1\n\n\"x\n\ny\",2\n\r\n").unwrap();
        let rows: Vec<_> = (0..seed.len()).map(|at| seed.row(at).unwrap()).collect();
        let null = || vec![Value::Null, Value::Null];
        let (short, text) = (vec!["1".into(), Value::Null], vec!["x\n\ny".into(), Value::Int64(2)]);
        assert_eq!(rows, [short, null(), text, null()]);
    }

    #[test]
    fn one_digit_is_enough_for_an_hour_behind_a_space_and_not_behind_a_t() {
        use DataType::{Text, Timestamp};
        assert_eq!(
            types("a,b,c,d\n2013-1-4 5:5:0,2013-01-14T5:15:00,2013-01-14 05:15,2013-01-14 05:15:00+00:00\n"),
            [Timestamp, Text, Text, Text]
        );
    }

    #[test]
    fn a_broken_row_is_named_with_its_line() {
        let why = parse("a,b\n1,2\n3,4,5\n").unwrap_err();
        assert_eq!(
            (why.line, why.to_string().as_str()),
            (3, "this row has 3 fields, the header names 2 columns")
        );
        assert_eq!(Seed::parse(b"a\n1\n\xff\n", None, &BTreeMap::new()).unwrap_err().line, 3);
        assert!(parse("").is_err());
        assert!(parse("a,A\n1,2\n").is_err());
    }

    #[test]
    fn columns_without_a_name_or_with_the_same_one_are_named_as_dbt_names_them() {
        let others =
            BTreeMap::from([("B".to_owned(), "text".to_owned()), ("x".to_owned(), "text".to_owned())]);
        let seed = Seed::parse(b"b,,b,b_2,b\n1,2,3,4,5\n", None, &others).unwrap();
        let names: Vec<&str> = seed.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["b", "b_2", "b_3", "b_2_2", "b_4"]);
        assert_eq!(seed.columns[0].data_type, DataType::Int64);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_seed_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Seed::parse(&bytes, None, &BTreeMap::new());
        }
    }
}
