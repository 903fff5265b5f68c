//! What every check works with: a connection that writes, one that reads, tables of its own.

use cofferdam_sdk::{
    Access, Column, Connection, Context, DataType, Dialect, Failure, Invocation, Loader, Relation,
    RelationKind, TaskFailure, Value,
    arrow::{FrameWriter, batch, schema},
    read_all,
};

use crate::report::{Checked, Found, wrong};

/// What every relation of the kit begins with.
const OURS: &str = "conformance_";
/// Rows of the large load unless the settings say otherwise.
const ROWS: u64 = 100_000;

/// A gateway under test.
pub(crate) struct Bench<'a> {
    cx: Context<'a>,
    gateway: String,
    /// Writes.
    pub(crate) writer: Box<dyn Connection>,
    /// Reads, in a session of its own.
    pub(crate) reader: Box<dyn Connection>,
    /// The large load.
    pub(crate) rows: u64,
    schema: String,
    dialect: Dialect,
}

/// A row of small values, as they are written in a check.
pub(crate) type Row = Vec<Value>;

impl<'a> Bench<'a> {
    /// Opens the gateway twice.
    pub(crate) fn open(cx: &Context<'a>, invocation: &Invocation) -> Result<Self, TaskFailure> {
        let schema: String = invocation.required_setting("schema")?;
        let rows = invocation.setting("rows")?.unwrap_or(ROWS);
        let gateway = invocation.required_gateway()?;
        let writer = cx.warehouse.open(gateway, Access::Write)?;
        let reader = cx.warehouse.open(gateway, Access::Read)?;
        let dialect = writer.dialect();
        writer.ensure_schema(&schema)?;
        Ok(Self { cx: *cx, gateway: gateway.to_owned(), writer, reader, rows, schema, dialect })
    }

    pub(crate) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Runs a check on an empty bench, and looks at what it left.
    pub(crate) fn run(&mut self, check: fn(&Bench<'_>) -> Checked) -> Found {
        let found = self.once(check);
        if matches!(&found, Found::Failed(Failure::Unavailable(_))) {
            // A lost connection fails this check, not the ones behind it.
            let open = |access| self.cx.warehouse.open(&self.gateway, access);
            if let (Ok(writer), Ok(reader)) = (open(Access::Write), open(Access::Read)) {
                (self.writer, self.reader) = (writer, reader);
            }
        }
        found
    }

    fn once(&self, check: fn(&Bench<'_>) -> Checked) -> Found {
        let done = self.clean().and_then(|()| check(self)).and_then(|()| self.nothing_beside());
        let cleaned = self.clean();
        match done.and(cleaned) {
            Ok(()) => Found::Fine,
            Err(found) => found,
        }
    }

    /// Our relations, whatever they are.
    pub(crate) fn ours(&self) -> Result<Vec<(String, RelationKind)>, Failure> {
        let all = self.writer.list_relations(&self.schema)?;
        let ours = all.into_iter().filter(|info| info.relation.name.starts_with(OURS));
        Ok(ours.map(|info| (info.relation.name, info.kind)).collect())
    }

    fn clean(&self) -> Checked {
        // Views first: an engine may not drop what a view reads. A view may read another.
        for _ in 0..3 {
            let mut ours = self.ours()?;
            ours.sort_by_key(|(_, kind)| *kind == RelationKind::Table);
            let mut left = 0;
            for (name, _) in &ours {
                left += usize::from(self.writer.drop_relation(&self.exactly(name)).is_err());
            }
            if left == 0 {
                return Ok(());
            }
        }
        Err(wrong("the kit's own relations cannot be dropped"))
    }

    fn nothing_beside(&self) -> Checked {
        let staged: Vec<_> =
            self.ours()?.into_iter().filter(|(name, _)| name.contains("__cofferdam")).collect();
        if staged.is_empty() { Ok(()) } else { Err(wrong(format!("something staged was left: {staged:?}"))) }
    }

    /// A relation of ours.
    pub(crate) fn relation(&self, name: &str) -> Relation {
        self.exactly(&format!("{OURS}{name}"))
    }

    fn exactly(&self, name: &str) -> Relation {
        Relation::new(self.schema.as_str(), name)
    }

    /// A relation of ours as a statement writes it.
    pub(crate) fn name(&self, name: &str) -> String {
        self.writer.render(&self.relation(name))
    }

    /// A name as a statement writes it.
    pub(crate) fn quote(&self, name: &str) -> String {
        let mark = &self.dialect.quote;
        format!("{mark}{}{mark}", name.replace(mark.as_str(), &mark.repeat(2)))
    }

    /// Loads a table of these rows in the place of what was there.
    pub(crate) fn load(&self, name: &str, columns: &[Column], rows: &[Row]) -> Checked {
        let mut loader = self.writer.load(&self.relation(name), columns)?;
        write(loader.as_mut(), columns, rows)?;
        let stored = loader.finish()?;
        crate::report::same("the number of rows a load says it stored", &stored, &(rows.len() as u64))
    }

    /// A table of `id`, `word` and `size`, all of which may be NULL.
    pub(crate) fn words(&self, name: &str, rows: &[(Option<i64>, &str, i64)]) -> Checked {
        let columns = [
            Column::new("id", DataType::Int64),
            Column::new("word", DataType::Text),
            Column::new("size", DataType::Int64),
        ];
        let rows: Vec<Row> =
            rows.iter().map(|(id, word, size)| vec![(*id).into(), (*word).into(), (*size).into()]).collect();
        self.load(name, &columns, &rows)
    }

    /// The rows of a query, each as one text: values by `|`.
    pub(crate) fn read(&self, statement: &str) -> Result<Vec<String>, Failure> {
        read_on(self.writer.as_ref(), statement)
    }

    /// The same, by the session that only reads.
    pub(crate) fn read_aside(&self, statement: &str) -> Result<Vec<String>, Failure> {
        read_on(self.reader.as_ref(), statement)
    }

    /// Every row of a table of words, by id, then word.
    pub(crate) fn all_words(&self, name: &str) -> Result<Vec<String>, Failure> {
        let statement = format!("SELECT id, word, size FROM {} ORDER BY id, word, size", self.name(name));
        let mut rows = self.read(&statement)?;
        // Engines do not agree on where NULL is sorted.
        rows.sort();
        Ok(rows)
    }
}

/// Writes rows to a load.
pub(crate) fn write(loader: &mut dyn Loader, columns: &[Column], rows: &[Row]) -> Result<(), Failure> {
    let mut writer = FrameWriter::new(schema(columns));
    for frame in writer.write(&batch(columns, rows)?)? {
        loader.write(&frame)?;
    }
    Ok(())
}

fn read_on(connection: &dyn Connection, statement: &str) -> Result<Vec<String>, Failure> {
    let table = read_all(connection.query(statement, &[])?)?;
    let rows = table.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|"));
    Ok(rows.collect())
}

/// A value as text, the same whatever type an engine gives a number or a moment.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(value) => i64::from(*value).to_string(),
        Value::Int64(value) => value.to_string(),
        Value::Float64(value) => value.to_string(),
        Value::Text(text) => plain(text),
        Value::Bytes(bytes) => format!("{bytes:02x?}"),
    }
}

/// A number without the zeros behind its point, and a moment without its zone and its part of a
/// second where that is nothing.
fn plain(text: &str) -> String {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    let moment = text.len() >= 19 && text.as_bytes()[4] == b'-' && text.contains(':');
    let text = if moment { text.trim_end_matches('Z') } else { text };
    let time = text.len() > 8 && text.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b));
    if (moment || time || number(text)) && text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_the_same_in_whatever_type_they_come() {
        for (value, text) in [
            (Value::Text("12.50".into()), "12.5"),
            (Value::Text("10.00".into()), "10"),
            (Value::Float64(12.5), "12.5"),
            (Value::Int64(10), "10"),
            (Value::Boolean(true), "1"),
            (Value::Text("2024-01-01 10:00:00.000000Z".into()), "2024-01-01 10:00:00"),
            (Value::Text("2024-01-01 10:00:00.120000".into()), "2024-01-01 10:00:00.12"),
            (Value::Text("10:00:00.500000".into()), "10:00:00.5"),
            (Value::Text("1.0 Z".into()), "1.0 Z"),
            (Value::Null, "NULL"),
        ] {
            assert_eq!(shown(&value), text);
        }
    }
}
