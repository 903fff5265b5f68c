//! What the role behind a credential may do, before anything is done with it.
//!
//! In: a connection that has just logged in. Out: nothing, or everything an operator should know.
//! Never: reads a table of the warehouse.
//! Fails: with `CD0319`, which names the right that is too much and the word that allows it.
//! Source: PostgreSQL documentation, "Predefined Roles"; `docs/adr/0015-postgresql-driver.md`.

use std::time::Duration;

use cofferdam_call::{Access, Refusal};

use super::conn::{Answer, Conn, plain};
use crate::{
    cancel::CancelToken,
    driver::Finding,
    net::{TlsMode, Wait},
    refusals,
    settings::ServerSettings,
};

/// The catalog is asked for at most this long.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// A role can become every role it is a member of, so all of their rights count.
const RIGHTS: &str = "
with mine as (select * from pg_catalog.pg_roles where pg_catalog.pg_has_role(current_user, oid, 'member'))
select
    bool_or(rolsuper), bool_or(rolcreaterole), bool_or(rolreplication), bool_or(rolbypassrls),
    bool_or(rolname in ('pg_read_server_files', 'pg_write_server_files')),
    bool_or(rolname = 'pg_execute_server_program'),
    bool_or(rolname in ('pg_read_all_data', 'pg_write_all_data')),
    exists (select from pg_catalog.pg_language
            where lanispl and not lanpltrusted and pg_catalog.pg_has_role(current_user, lanowner, 'member'))
from mine";

const WRITES: &str = "
select exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
        and pg_catalog.has_table_privilege(c.oid, 'insert, update, delete, truncate')
) or exists (
    select from pg_catalog.pg_namespace n
    where n.nspname not like 'pg\\_%' and pg_catalog.has_schema_privilege(n.oid, 'create')
)";

/// One right that is too much.
struct TooMuch {
    text: &'static str,
    /// The word that allows it.
    word: &'static str,
    allowed: bool,
}

/// Refuses a role that may do too much.
pub(super) fn check(conn: &mut Conn, settings: &ServerSettings, cancel: &CancelToken) -> Result<(), Refusal> {
    match too_much(conn, settings, cancel)?.iter().find(|right| !right.allowed) {
        None => Ok(()),
        Some(right) => Err(refusals::over_privileged(format!(
            "the gateway's role {}; make a role with fewer rights, or let the gateway allow `{}`",
            right.text, right.word
        ))),
    }
}

/// Everything an operator should know, the good first.
pub(super) fn inspect(conn: &mut Conn, settings: &ServerSettings, access: Access) -> Vec<Finding> {
    let mut findings = known(conn, settings);
    let cancel = CancelToken::default();
    match too_much(conn, settings, &cancel) {
        Ok(rights) if rights.is_empty() => {
            findings.push(Finding::good("the role has no right that reaches beyond the database"));
        }
        Ok(rights) => findings.extend(rights.iter().map(|right| {
            let ending = if right.allowed { "the gateway allows it" } else { "sessions are refused" };
            let text = format!("the role {}: {ending} (`{}`)", right.text, right.word);
            if right.allowed { Finding::weak(text) } else { Finding::wrong(text) }
        })),
        Err(refusal) => findings.push(Finding::wrong(refusal.message)),
    }
    match warnings(conn, settings, access, &cancel) {
        Ok(more) => findings.extend(more),
        Err(refusal) => findings.push(Finding::wrong(refusal.message)),
    }
    findings.sort_by_key(|finding| finding.verdict);
    findings
}

fn known(conn: &Conn, settings: &ServerSettings) -> Vec<Finding> {
    let login = &conn.login;
    let mut findings =
        vec![Finding::good(format!("logged in to PostgreSQL {} as `{}`", login.version, login.role))];
    let proof = format!("the login was proved by {}", login.how);
    findings.push(if login.how.starts_with("SCRAM") { Finding::good(proof) } else { Finding::weak(proof) });
    findings.push(match (&login.tls, settings.tls.mode) {
        (Some(digest), _) => {
            Finding::good(format!("TLS with the server's certificate verified; its SHA-256 is {digest}"))
        }
        (None, TlsMode::VerifyFull) => Finding::good("a Unix socket of this machine"),
        (None, TlsMode::Off) if settings.allow.plaintext => {
            Finding::weak("nothing is encrypted: the gateway turns TLS off and allows `plaintext`")
        }
        (None, TlsMode::Off) => Finding::good("TLS is off, to this machine itself"),
    });
    if login.encoding != "UTF8" {
        findings.push(Finding::weak(format!(
            "the database keeps text as {}: what is not UTF-8 cannot be read; make the database with UTF8",
            login.encoding
        )));
    }
    findings
}

fn too_much(
    conn: &mut Conn,
    settings: &ServerSettings,
    cancel: &CancelToken,
) -> Result<Vec<TooMuch>, Refusal> {
    let answer = ask(conn, RIGHTS, &[], cancel)?;
    let allow = settings.allow;
    let rights = [
        (0, "is a superuser, or can become one", "superuser", allow.superuser),
        (1, "may make roles", "superuser", allow.superuser),
        (2, "may replicate the whole server", "superuser", allow.superuser),
        (3, "is not held by row security", "superuser", allow.superuser),
        (7, "owns a language whose functions may do anything", "superuser", allow.superuser),
        (4, "may read or write files of the server", "server-files", allow.server_files),
        (5, "may run programs on the server", "server-programs", allow.server_programs),
    ];
    // A superuser is a member of every role: to say so once is enough.
    let everything = is(&answer, 0);
    Ok(rights
        .into_iter()
        .filter(|(n, ..)| if everything { *n == 0 } else { is(&answer, *n) })
        .map(|(_, text, word, allowed)| TooMuch { text, word, allowed })
        .collect())
}

fn warnings(
    conn: &mut Conn,
    settings: &ServerSettings,
    access: Access,
    cancel: &CancelToken,
) -> Result<Vec<Finding>, Refusal> {
    let mut findings = Vec::new();
    let rights = ask(conn, RIGHTS, &[], cancel)?;
    if is(&rights, 6) && !is(&rights, 0) {
        findings.push(Finding::weak(
            "the role may read or write every table: grant it the schemas it needs instead",
        ));
    }
    if access == Access::Read && is(&ask(conn, WRITES, &[], cancel)?, 0) {
        findings.push(Finding::weak(
            "the role of mode `read` may write: sessions of this mode are read-only, but a role that cannot \
             write is the better wall",
        ));
    }
    let schema =
        ask(conn, "select pg_catalog.to_regnamespace($1) is not null", &[&quoted(&settings.schema)], cancel)?;
    if !is(&schema, 0) {
        findings.push(Finding::weak(format!(
            "schema `{}` does not exist, or the role may not use it",
            settings.schema
        )));
    }
    if access > Access::Read {
        findings.push(fence(conn, settings, cancel)?);
    }
    Ok(findings)
}

fn fence(conn: &mut Conn, settings: &ServerSettings, cancel: &CancelToken) -> Result<Finding, Refusal> {
    let table = format!("{}.fence", quoted(&settings.fence_schema));
    let text = "select to_regclass($1) is not null, has_database_privilege(current_database(), 'create')";
    let answer = ask(conn, text, &[&table], cancel)?;
    Ok(if is(&answer, 0) {
        Finding::good(format!("the fence's table `{}.fence` is there", settings.fence_schema))
    } else if is(&answer, 1) {
        Finding::good(format!(
            "the fence's table `{}.fence` is made at the first write",
            settings.fence_schema
        ))
    } else {
        Finding::wrong(format!(
            "the fence's table `{}.fence` is not there and the role may not make it: writes are refused. A database \
             administrator runs once: {}",
            settings.fence_schema,
            super::fence::statements(&settings.fence_schema, &conn.login.role).join("; ")
        ))
    })
}

fn quoted(name: &str) -> String {
    super::quoted(name).unwrap_or_default()
}

fn ask(conn: &mut Conn, text: &str, values: &[&str], cancel: &CancelToken) -> Result<Answer, Refusal> {
    let wait = Wait::at_most(cancel, ASKED_WITHIN);
    let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
    conn.ask(text, &values, &wait).map_err(plain)
}

fn is(answer: &Answer, column: usize) -> bool {
    answer.rows.first().and_then(|row| row.get(column)).is_some_and(|value| value.as_deref() == Some("t"))
}
