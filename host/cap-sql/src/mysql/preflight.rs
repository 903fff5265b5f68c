//! What the gateway's user may do in the warehouse, before it does anything.
//!
//! In: the server's own list of the user's grants. Out: a refusal, or findings.
//! Never: hands on a line of that list: it may hold a hash of the password.
//! Fails: with `CD0319` for a user who may do what no user of a gateway should.

use cofferdam_call::{Access, Refusal};

use super::{connection::Client, errors};
use crate::{driver::Finding, net::Wait, refusals, settings::ServerSettings};

/// Rights that hold everywhere and are harmless.
const HARMLESS: [&str; 3] = ["USAGE", "SHOW DATABASES", "SHOW CREATE ROUTINE"];
/// Databases of the server's own.
const SYSTEM: [&str; 2] = ["mysql", "sys"];
/// Rights that change rows or relations.
const CHANGING: [&str; 9] =
    ["ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER"];

/// One line of `SHOW GRANTS`.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    rights: Vec<String>,
    /// `*` for all of them.
    database: String,
    may_grant: bool,
}

/// Refuses a user who may do too much.
pub(super) fn check(client: &mut Client, settings: &ServerSettings, wait: &Wait<'_>) -> Result<(), Refusal> {
    match too_much(&grants(client, wait)?, settings).into_iter().next() {
        None => Ok(()),
        Some(what) => Err(refusals::over_privileged(what)),
    }
}

/// The same for the operator, all of it.
pub(super) fn findings(
    client: &mut Client,
    access: Access,
    settings: &ServerSettings,
    wait: &Wait<'_>,
) -> Result<Vec<Finding>, Refusal> {
    let grants = grants(client, wait)?;
    let mut findings: Vec<Finding> = too_much(&grants, settings).into_iter().map(Finding::wrong).collect();
    if findings.is_empty() {
        let text = "the user has no rights over the server itself".to_owned();
        findings.push(Finding::good(text));
    }
    if access == Access::Read && grants.iter().any(Grant::changes) {
        let text = "the user of mode `read` may change rows; give it a user with SELECT alone, so that the warehouse \
                    itself holds that";
        findings.push(Finding::weak(text));
    }
    if grants.iter().any(|grant| grant.may_grant && grant.database != "*") {
        let text = "the user may hand its rights on (GRANT OPTION); revoke that";
        findings.push(Finding::weak(text));
    }
    Ok(findings)
}

fn grants(client: &mut Client, wait: &Wait<'_>) -> Result<Vec<Grant>, Refusal> {
    let rows = client.ask("SHOW GRANTS", wait).map_err(errors::of)?;
    let lines = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    lines.filter_map(|line| Grant::read(&line).transpose()).collect::<Result<_, ()>>().map_err(|()| {
        refusals::over_privileged("the server lists rights of the gateway's user that cannot be read")
    })
}

impl Grant {
    /// None for a role, whose own rights are listed too, and for a line that only sets one.
    fn read(line: &str) -> Result<Option<Self>, ()> {
        let Some(rest) = line.strip_prefix("GRANT ") else {
            return if line.starts_with("SET DEFAULT ROLE") { Ok(None) } else { Err(()) };
        };
        let Some((rights, rest)) = rest.split_once(" ON ") else { return Ok(None) };
        let rest = ["FUNCTION ", "PROCEDURE ", "PACKAGE BODY ", "PACKAGE ", "TABLE "]
            .iter()
            .find_map(|sort| rest.strip_prefix(sort))
            .unwrap_or(rest);
        if rights == "PROXY" {
            let (rights, database) = (vec!["PROXY".to_owned()], "*".to_owned());
            return Ok(Some(Self { rights, database, may_grant: true }));
        }
        let database = match rest.strip_prefix('`') {
            Some(quoted) => {
                // A quote in a name is doubled.
                let masked = quoted.replace("``", "\0\0");
                let end = masked.find('`').ok_or(())?;
                quoted[..end].replace("``", "`")
            }
            None => rest.split('.').next().unwrap_or_default().to_owned(),
        };
        let may_grant = rest.contains(" WITH GRANT OPTION");
        Ok(Some(Self { rights: listed(rights), database, may_grant }))
    }

    fn changes(&self) -> bool {
        self.rights.iter().any(|right| CHANGING.contains(&right.as_str()))
    }
}

/// `SELECT (a, b), INSERT`: rights, without the columns they are for.
fn listed(rights: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut all = vec![String::new()];
    for c in rights.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => all.push(String::new()),
            _ if depth > 0 => {}
            _ => {
                if let Some(last) = all.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    all.iter().map(|right| right.trim().to_ascii_uppercase()).collect()
}

/// Why a user may do too much, in sentences; none where it may not.
fn too_much(grants: &[Grant], settings: &ServerSettings) -> Vec<String> {
    let allow = settings.allow;
    let mut found = Vec::new();
    for grant in grants {
        let everywhere = grant.database == "*";
        let system = SYSTEM.iter().any(|name| name.eq_ignore_ascii_case(&grant.database));
        if !everywhere && !system {
            continue;
        }
        for right in &grant.rights {
            let (word, allowed) = match right.as_str() {
                "FILE" => ("server-files", allow.server_files),
                "ALL PRIVILEGES" => ("superuser`, `server-files", allow.superuser && allow.server_files),
                _ => ("superuser", allow.superuser),
            };
            if !allowed && !HARMLESS.contains(&right.as_str()) {
                let whereto = if everywhere { "on the whole server" } else { "on the server's own tables" };
                found.push(format!(
                    "the gateway's user has the right {right} {whereto}; revoke it, or let the gateway allow `{word}`"
                ));
            }
        }
        if grant.may_grant && !allow.superuser {
            found.push(
                "the gateway's user may hand on rights on the whole server (GRANT OPTION); revoke it, or let the \
                 gateway allow `superuser`"
                    .to_owned(),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<String>, String, bool) {
        let grant = Grant::read(line).unwrap().unwrap();
        (grant.rights, grant.database, grant.may_grant)
    }

    #[test]
    fn lines_of_grants_are_read() {
        let rights = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            read("GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL"),
            (rights(&["USAGE"]), "*".to_owned(), false)
        );
        assert_eq!(
            read("GRANT SELECT, SHOW VIEW ON `sh``op`.* TO `reader`@`%`"),
            (rights(&["SELECT", "SHOW VIEW"]), "sh`op".to_owned(), false)
        );
        assert_eq!(
            read("GRANT SELECT (`a`, `b`), INSERT (`a`) ON `shop`.`t` TO `x`@`%` WITH GRANT OPTION"),
            (rights(&["SELECT", "INSERT"]), "shop".to_owned(), true)
        );
        assert_eq!(
            read("GRANT EXECUTE ON PROCEDURE `mysql`.`p` TO `x`@`%`"),
            (rights(&["EXECUTE"]), "mysql".to_owned(), false)
        );
        assert_eq!(Grant::read("GRANT `role` TO `x`@`%`"), Ok(None));
        assert_eq!(Grant::read("SET DEFAULT ROLE `role` FOR `x`@`%`"), Ok(None));
        assert_eq!(Grant::read("REVOKE nothing"), Err(()));
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_grant_or_not(line: String) {
            let _ = (Grant::read(&line), Grant::read(&format!("GRANT {line}")));
        }
    }
}
