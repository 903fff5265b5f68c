//! Reading a grant file: TOML, a closed schema, every mistake named by line.

use std::ops::Range;

use cofferdam_bundle::statement::{ReportField, SqlMode};
use cofferdam_ids::{Role, Sha256Digest, Timestamp};
use toml_edit::{Array, Document, Item, TableLike, Value};

use crate::{
    file::{
        Beyond, ConfinementNeed, FilesRule, GrantFile, GrantLimits, SqlRule, StatementRule, SubjectRule,
        TelemetryRule,
    },
    problem::{GrantProblem, ProblemKind},
};

/// Bytes of a grant file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Rows a `[[sql]]` without `max_rows` lets out.
const MAX_ROWS_DEFAULT: u64 = 10_000;
/// How far from a known word an unknown one may be to be taken for a slip.
const NEAR: f64 = 0.75;

const TOP: &[&str] = &[
    "grant_format",
    "id",
    "owner",
    "reason",
    "expires",
    "require_confinement",
    "subject",
    "sql",
    "files",
    "telemetry",
    "report",
    "limits",
];
const SUBJECT: &[&str] = &["project", "tasks", "plugins", "roles"];
const SQL: &[&str] = &["gateway", "mode", "statements", "reads", "writes", "also", "max_rows"];
const LATER: &[&str] = &["http", "objects", "publishers", "state"];

/// Reads a grant file. `file_name` is only for messages and records.
pub fn parse(file_name: &str, text: &str) -> Result<GrantFile, GrantProblem> {
    let reader = Reader { file: file_name, text };
    if text.len() > FILE_BYTES_MAX {
        return Err(reader.problem(ProblemKind::Syntax, None, "it is longer than 1 MiB".to_owned()));
    }
    let document = Document::parse(text).map_err(|e| {
        let message = e.message().lines().next().unwrap_or("it is not TOML").to_owned();
        reader.problem(ProblemKind::Syntax, e.span(), message)
    })?;
    let top = reader.table(document.as_table(), Some(0..0), "the file", TOP)?;
    let format = top.integer("grant_format")?;
    if format != 1 {
        return Err(top.wrong("grant_format", "1; this version knows no other"));
    }
    Ok(GrantFile {
        file: file_name.to_owned(),
        sha256: Sha256Digest::of(text.as_bytes()),
        id: top.parsed("id")?,
        owner: top.text("owner")?.to_owned(),
        reason: top.optional("reason", |t| t.text("reason"))?.unwrap_or_default().to_owned(),
        expires: expires(&top)?,
        require_confinement: top.optional("require_confinement", confinement)?.unwrap_or_default(),
        subject: subject(&top.sub("subject", SUBJECT)?)?,
        sql: top.subs("sql", SQL)?.iter().map(sql).collect::<Result<_, _>>()?,
        files: top.subs("files", &["prefixes"])?.iter().map(files).collect::<Result<_, _>>()?,
        telemetry: top.optional("telemetry", telemetry)?,
        to_scheduler: top.optional("report", report)?.unwrap_or_default(),
        limits: top.optional("limits", limits)?.unwrap_or_default(),
    })
}

type Found<T> = Result<T, GrantProblem>;

fn expires(top: &Table<'_, '_>) -> Found<Timestamp> {
    const ALLOWED: &str = "a day like 2027-03-31 or a time like 2027-03-31T18:00:00Z";
    let item = top.item("expires")?;
    let wrong = || top.wrong("expires", ALLOWED);
    let datetime = item.as_datetime().ok_or_else(wrong)?;
    match (datetime.date, datetime.time, datetime.offset) {
        (Some(date), None, None) => {
            // The day named is the last on which the grant holds, in UTC.
            let midnight: Timestamp = format!("{date}T00:00:00Z").parse().map_err(|_| wrong())?;
            Ok(midnight.plus(std::time::Duration::from_secs(86_400)))
        }
        (Some(_), Some(_), Some(_)) => datetime.to_string().parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn confinement(top: &Table<'_, '_>) -> Found<Vec<ConfinementNeed>> {
    const KEY: &str = "require_confinement";
    let names = ConfinementNeed::ALL.map(ConfinementNeed::name);
    top.list(KEY, |text| {
        let known = ConfinementNeed::ALL.into_iter().find(|n| n.name() == text);
        known.ok_or_else(|| top.unknown_value(KEY, text, &names))
    })
}

fn subject(table: &Table<'_, '_>) -> Found<SubjectRule> {
    let filled = |key: &'static str, empty: bool| {
        if empty { Err(table.wrong(key, "a list of at least one")) } else { Ok(()) }
    };
    let rule = SubjectRule {
        project: table.digest(table.text("project")?, "project")?,
        tasks: table.list("tasks", |t| t.parse().map_err(|e| table.value("tasks", e)))?,
        plugins: table.list("plugins", |t| table.digest(t, "plugins"))?,
        roles: table.list("roles", |t| {
            t.parse::<Role>().map_err(|_| table.unknown_value("roles", t, &["run", "apply"]))
        })?,
        line: table.line,
    };
    filled("tasks", rule.tasks.is_empty())?;
    filled("plugins", rule.plugins.is_empty())?;
    filled("roles", rule.roles.is_empty())?;
    Ok(rule)
}

fn sql(table: &Table<'_, '_>) -> Found<SqlRule> {
    let mode = match table.text("mode")? {
        "read" => SqlMode::Read,
        "write" => SqlMode::Write,
        "admin" => SqlMode::Admin,
        other => return Err(table.unknown_value("mode", other, &["read", "write", "admin"])),
    };
    let statements = match table.optional("statements", |t| t.text("statements"))? {
        None | Some("parsed") => StatementRule::Parsed,
        Some("signed-only") => StatementRule::SignedOnly,
        Some("any") => StatementRule::Any,
        Some(other) => {
            return Err(table.unknown_value("statements", other, &["signed-only", "parsed", "any"]));
        }
    };
    let patterns = |key| {
        let list = |t: &Table<'_, '_>| t.list(key, |p| p.parse().map_err(|e| t.value(key, e)));
        Ok(table.optional(key, list)?.unwrap_or_default())
    };
    Ok(SqlRule {
        gateway: table.parsed("gateway")?,
        mode,
        statements,
        reads: patterns("reads")?,
        writes: patterns("writes")?,
        also: table.optional("also", also)?.unwrap_or_default(),
        max_rows: table.optional("max_rows", |t| t.count("max_rows"))?.unwrap_or(MAX_ROWS_DEFAULT),
        line: table.line,
    })
}

fn also(table: &Table<'_, '_>) -> Found<Vec<Beyond>> {
    let names = Beyond::ALL.map(Beyond::name);
    table.list("also", |text| {
        let known = Beyond::ALL.into_iter().find(|beyond| beyond.name() == text);
        known.ok_or_else(|| table.unknown_value("also", text, &names))
    })
}

fn files(table: &Table<'_, '_>) -> Found<FilesRule> {
    let prefixes = table.list("prefixes", |prefix| {
        let climbs = prefix.starts_with('/') || prefix.split('/').any(|p| p == "." || p == "..");
        if climbs {
            return Err(table.wrong("prefixes", "starts of paths inside the release, without `..`"));
        }
        Ok(prefix.to_owned())
    })?;
    if prefixes.is_empty() {
        return Err(table.wrong("prefixes", "a list of at least one; `\"\"` stands for every file"));
    }
    Ok(FilesRule { prefixes, line: table.line })
}

fn telemetry(top: &Table<'_, '_>) -> Found<TelemetryRule> {
    let table = top.sub("telemetry", &["log", "read_kept"])?;
    let yes = |key: &'static str| {
        let item = table.item(key)?;
        item.as_bool().ok_or_else(|| table.wrong(key, "true or false"))
    };
    let read_kept = table.optional("read_kept", |_| yes("read_kept"))?.unwrap_or(false);
    Ok(TelemetryRule { log: yes("log")?, read_kept, line: table.line })
}

fn report(top: &Table<'_, '_>) -> Found<Vec<ReportField>> {
    let table = top.sub("report", &["to_scheduler"])?;
    let mut fields = table.list("to_scheduler", |text| match text {
        // The outcome itself is always reported.
        "state" => Ok(None),
        "duration_s" => Ok(Some(ReportField::DurationS)),
        "rows_affected" => Ok(Some(ReportField::RowsAffected)),
        other => Err(table.unknown_value("to_scheduler", other, &["state", "duration_s", "rows_affected"])),
    })?;
    fields.dedup();
    Ok(fields.into_iter().flatten().collect())
}

fn limits(top: &Table<'_, '_>) -> Found<GrantLimits> {
    let table = top.sub("limits", &["wall_ms", "mem_bytes", "log_bytes"])?;
    Ok(GrantLimits {
        wall_ms: table.optional("wall_ms", |t| t.count("wall_ms"))?,
        mem_bytes: table.optional("mem_bytes", |t| t.count("mem_bytes"))?,
        log_bytes: table.optional("log_bytes", |t| t.count("log_bytes"))?,
    })
}

/// The text, to turn places into lines.
#[derive(Clone, Copy)]
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn line(&self, span: Option<Range<usize>>) -> u32 {
        let end = span.map_or(0, |s| s.start).min(self.text.len());
        let breaks = self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count();
        u32::try_from(breaks + 1).unwrap_or(u32::MAX)
    }

    fn problem(&self, kind: ProblemKind, span: Option<Range<usize>>, what: String) -> GrantProblem {
        GrantProblem { file: self.file.to_owned(), line: self.line(span), what, nearest: None, kind }
    }

    /// A table whose every key is known.
    fn table<'t>(
        &self,
        table: &'t dyn TableLike,
        span: Option<Range<usize>>,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Found<Table<'a, 't>> {
        for (key, _) in table.iter() {
            if known.contains(&key) {
                continue;
            }
            let span = table.key(key).and_then(toml_edit::Key::span);
            let shown: String = key.chars().take(80).flat_map(char::escape_debug).collect();
            if LATER.contains(&key) {
                let what = format!("this version does not know `{shown}` yet");
                return Err(self.problem(ProblemKind::Later, span, what));
            }
            let what = format!("{name} has no key `{shown}`");
            let problem = self.problem(ProblemKind::UnknownKey, span, what);
            return Err(GrantProblem { nearest: nearest(key, known), ..problem });
        }
        Ok(Table { reader: *self, line: self.line(span), table, name })
    }
}

/// One table of the file.
struct Table<'a, 't> {
    reader: Reader<'a>,
    table: &'t dyn TableLike,
    name: &'static str,
    line: u32,
}

impl<'a, 't> Table<'a, 't> {
    fn item(&self, key: &'static str) -> Found<&'t Item> {
        self.table.get(key).ok_or_else(|| GrantProblem {
            file: self.reader.file.to_owned(),
            line: self.line,
            what: format!("{} needs the key `{key}`", self.name),
            nearest: None,
            kind: ProblemKind::MissingKey,
        })
    }

    fn optional<T>(&self, key: &'static str, read: impl FnOnce(&Self) -> Found<T>) -> Found<Option<T>> {
        if self.table.contains_key(key) { read(self).map(Some) } else { Ok(None) }
    }

    fn text(&self, key: &'static str) -> Found<&'t str> {
        let text = self.item(key)?.as_str().filter(|t| !t.is_empty());
        text.ok_or_else(|| self.wrong(key, "a text that is not empty"))
    }

    fn integer(&self, key: &'static str) -> Found<i64> {
        self.item(key)?.as_integer().ok_or_else(|| self.wrong(key, "a whole number"))
    }

    fn count(&self, key: &'static str) -> Found<u64> {
        let count = u64::try_from(self.integer(key)?).ok();
        count.ok_or_else(|| self.wrong(key, "a whole number, not below 0"))
    }

    fn parsed<T: std::str::FromStr<Err = cofferdam_ids::InvalidName>>(&self, key: &'static str) -> Found<T> {
        self.text(key)?.parse().map_err(|e| self.value(key, e))
    }

    fn digest(&self, text: &str, key: &'static str) -> Found<Sha256Digest> {
        let digest = text.strip_prefix("sha256:").and_then(|t| t.parse().ok());
        digest.ok_or_else(|| self.wrong(key, "`sha256:` and 64 lower-case hex digits"))
    }

    fn list<T>(&self, key: &'static str, read: impl Fn(&str) -> Found<T>) -> Found<Vec<T>> {
        let wrong = || self.wrong(key, "a list of texts");
        let array: &Array = self.item(key)?.as_array().ok_or_else(wrong)?;
        array.iter().map(|v: &Value| read(v.as_str().ok_or_else(wrong)?)).collect()
    }

    /// `[key]`.
    fn sub(&self, key: &'static str, known: &'static [&'static str]) -> Found<Table<'a, 't>> {
        let item = self.item(key)?;
        let table = item.as_table_like().ok_or_else(|| self.wrong(key, "a table"))?;
        self.reader.table(table, item.span(), key, known)
    }

    /// `[[key]]`, none or more.
    fn subs(&self, key: &'static str, known: &'static [&'static str]) -> Found<Vec<Table<'a, 't>>> {
        let Some(item) = self.table.get(key) else { return Ok(Vec::new()) };
        let tables =
            item.as_array_of_tables().ok_or_else(|| self.wrong(key, "tables, each under `[[…]]`"))?;
        tables.iter().map(|table| self.reader.table(table, table.span(), key, known)).collect()
    }

    fn span(&self, key: &str) -> Option<Range<usize>> {
        self.table
            .key(key)
            .and_then(toml_edit::Key::span)
            .or_else(|| self.table.get(key).and_then(Item::span))
    }

    fn wrong(&self, key: &'static str, allowed: &str) -> GrantProblem {
        self.reader.problem(ProblemKind::Value, self.span(key), format!("`{key}` is {allowed}"))
    }

    fn value(&self, key: &'static str, why: impl std::fmt::Display) -> GrantProblem {
        self.reader.problem(ProblemKind::Value, self.span(key), format!("`{key}`: {why}"))
    }

    fn unknown_value(&self, key: &'static str, text: &str, known: &[&str]) -> GrantProblem {
        let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
        let what = format!("`{key}` knows {}, not `{shown}`", known.join(", "));
        GrantProblem {
            nearest: nearest(text, known),
            ..self.reader.problem(ProblemKind::Value, self.span(key), what)
        }
    }
}

/// The known word nearest to another, where one is near.
fn nearest(text: &str, known: &[&str]) -> Option<String> {
    if text.len() > 200 {
        return None;
    }
    known
        .iter()
        .map(|k| (strsim::jaro_winkler(text, k), *k))
        .filter(|(score, _)| *score >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k.to_owned())
}
