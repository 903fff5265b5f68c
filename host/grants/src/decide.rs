//! The decision about one call. The broker and `grants explain` stand on the same rules.

use cofferdam_call::{Access, Call, FailureKind, Refusal};
use cofferdam_ids::{Code, GatewayName, GrantId, Sha256Digest};

use crate::{
    admission::{Admission, AdmittedSql, GrantFact},
    file::StatementRule,
    reading::{self, Dialect, Reading, StatementKind},
};

/// What the broker knows of the session a call is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts<'a> {
    /// Its gateway.
    pub gateway: &'a GatewayName,
    /// How it was opened.
    pub access: Access,
    /// How its statements are read.
    pub dialect: Dialect,
    /// The schema meant where a statement or a load names none.
    pub default_schema: &'a str,
}

/// One call, with what the broker knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The call.
    pub call: &'a Call,
    /// The session it is made on; none for calls that need none, or for a handle that is not the
    /// guest's.
    pub session: Option<&'a SessionFacts<'a>>,
    /// What [`crate::read_statement`] made of its statement.
    pub reading: Option<&'a Reading>,
    /// Rows this attempt has read out of this gateway, those about to be handed over included.
    pub rows_out: u64,
    /// Whether the statement stands, byte for byte, in the signed release.
    pub signed_statement: bool,
}

/// The line of the grant that allowed a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The grant.
    pub grant: GrantId,
    /// Digest of its file.
    pub grant_sha256: Sha256Digest,
    /// The line, from 1.
    pub line: u32,
}

/// Whether a call is performed.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Perform it.
    Allow(Allowed),
    /// Do not. The guest gets the refusal; the rule, by file and line, is for the ledger alone.
    Refuse {
        /// What the guest is told.
        refusal: Refusal,
        /// The rule that came nearest.
        rule: Option<(String, u32)>,
    },
}

impl Decision {
    /// Whether it is performed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl Admission {
    /// Decides on one call.
    pub fn decide(&self, ask: &Ask<'_>) -> Decision {
        match ask.call {
            Call::SqlOpen { gateway, access } => self.decide_open(gateway, *access),
            Call::SqlQuery { .. } | Call::SqlExecute { .. } => self.decide_statement(ask),
            Call::SqlLoad { table, .. } => self.decide_load(ask, table),
            Call::SqlNext { .. } => self.decide_rows(ask),
            Call::SqlLoadWrite { .. } | Call::SqlLoadFinish { .. } => self.decide_session(ask, Access::Write),
            Call::SqlBegin { .. } | Call::SqlCommit { .. } | Call::SqlRollback { .. } => {
                self.decide_session(ask, Access::Read)
            }
            // Letting go of one's own handle needs no right beyond having it.
            Call::Close { .. } => self.any_grant(),
            Call::FileList { prefix } => self.decide_file(prefix, "listing"),
            Call::FileRead { path, .. } => self.decide_file(path, "reading"),
            Call::Log { .. } | Call::Progress { .. } | Call::Keep { .. } => match &self.telemetry {
                Some(fact) => allow(fact),
                None => refuse(228, "no grant lends this task a log", None),
            },
            Call::ReadKept { .. } => match &self.kept {
                Some(fact) => allow(fact),
                None => refuse(
                    237,
                    "this task did not ask to read what attempts of its run kept, or no grant lets it",
                    self.telemetry.as_ref(),
                ),
            },
        }
    }

    fn decide_open(&self, gateway: &GatewayName, access: Access) -> Decision {
        let mut nearest = None;
        for rule in self.sql.iter().filter(|r| &r.gateway == gateway) {
            if rule.access >= access {
                return allow(&rule.grant);
            }
            nearest = Some(&rule.grant);
        }
        refuse(221, format!("a {access} session on gateway `{gateway}` is not granted"), nearest)
    }

    fn decide_session(&self, ask: &Ask<'_>, least: Access) -> Decision {
        match self.session(ask, least) {
            Ok((_, rule)) => allow(&rule.grant),
            Err(decision) => decision,
        }
    }

    fn decide_rows(&self, ask: &Ask<'_>) -> Decision {
        let (session, first) = match self.session(ask, Access::Read) {
            Ok(found) => found,
            Err(decision) => return decision,
        };
        let rules = self.sql.iter().filter(|r| &r.gateway == session.gateway);
        match rules.max_by_key(|r| r.max_rows) {
            Some(rule) if ask.rows_out <= rule.max_rows => allow(&rule.grant),
            rule => {
                let most = rule.map_or(0, |r| r.max_rows);
                let message = format!("the grant lets a task read out {most} rows of `{}`", session.gateway);
                let refusal = Refusal::new(FailureKind::Limit, Code(226), message);
                let rule = Some(rule.unwrap_or(first)).map(|r| (r.grant.file.clone(), r.grant.line));
                Decision::Refuse { refusal, rule }
            }
        }
    }

    fn decide_load(&self, ask: &Ask<'_>, table: &[String]) -> Decision {
        let (session, first) = match self.session(ask, Access::Write) {
            Ok(found) => found,
            Err(decision) => return decision,
        };
        let target = match reading::load_target(table, session.dialect, session.default_schema) {
            Ok(target) => target,
            Err(problem) => return refuse(224, problem.to_string(), Some(&first.grant)),
        };
        let rules = self.sql.iter().filter(|r| &r.gateway == session.gateway);
        match rules.into_iter().find(|r| r.allows_write(&target)) {
            Some(rule) => allow(&rule.grant),
            None => refuse(224, format!("writing `{target}` is not granted"), Some(&first.grant)),
        }
    }

    fn decide_statement(&self, ask: &Ask<'_>) -> Decision {
        let (session, first) = match self.session(ask, Access::Read) {
            Ok(found) => found,
            Err(decision) => return decision,
        };
        let of_gateway = || self.sql.iter().filter(|r| &r.gateway == session.gateway);
        if let Some(rule) =
            of_gateway().find(|r| r.statements == StatementRule::Any && r.access >= session.access)
        {
            return allow(&rule.grant);
        }
        let usable = |r: &&AdmittedSql| r.statements != StatementRule::SignedOnly || ask.signed_statement;
        if of_gateway().find(usable).is_none() {
            let message = "the grant allows only statements that stand in the signed release";
            return refuse(225, message, Some(&first.grant));
        }
        let Some(reading) = ask.reading else {
            return refuse(220, "the statement was not read", Some(&first.grant));
        };
        let kind = match (&reading.problem, reading.kind) {
            (Some(problem), _) => {
                return refuse(problem.code().0, problem.to_string(), Some(&first.grant));
            }
            (None, None) => return refuse(220, "the statement could not be read", Some(&first.grant)),
            (None, Some(kind)) => kind,
        };
        let least = reading.least_access();
        if session.access < least {
            let message = format!("{kind} needs a write session; this one was opened to read");
            return refuse(223, message, Some(&first.grant));
        }
        let lends = |r: &&AdmittedSql| r.allows_beyond(session.access, &reading.beyond);
        if of_gateway().filter(usable).find(lends).is_none() {
            return refuse_beyond(session, reading, kind, &first.grant);
        }
        let mut by = None;
        for read in reading.reads.iter().filter(|r| !r.is_catalog()) {
            let rule = of_gateway().filter(usable).find(|r| r.allows_read(read));
            let Some(rule) = rule else {
                return refuse(222, format!("reading `{read}` is not granted"), Some(&first.grant));
            };
            by.get_or_insert(rule);
        }
        for (i, write) in reading.writes.iter().enumerate() {
            let rule = of_gateway().filter(usable).filter(lends).find(|r| r.allows_write(write));
            let Some(rule) = rule else {
                if of_gateway().filter(usable).any(|r| r.allows_write(write)) {
                    return refuse_beyond(session, reading, kind, &first.grant);
                }
                return refuse(224, format!("writing `{write}` is not granted"), Some(&first.grant));
            };
            if i == 0 {
                by = Some(rule);
            }
        }
        match by.or_else(|| of_gateway().find(usable)) {
            Some(rule) => allow(&rule.grant),
            None => refuse(220, "the statement could not be matched with a grant", Some(&first.grant)),
        }
    }

    fn decide_file(&self, path: &str, verb: &str) -> Decision {
        for files in &self.files {
            if files.prefixes.iter().any(|p| path.starts_with(p.as_str())) {
                return allow(&files.grant);
            }
        }
        let shown: String = path.chars().take(200).flat_map(char::escape_debug).collect();
        refuse(227, format!("{verb} `{shown}` is not granted"), self.files.first().map(|f| &f.grant))
    }

    /// The session of a call, open to `least`, and the first rule of its gateway.
    fn session<'s>(
        &self,
        ask: &Ask<'s>,
        least: Access,
    ) -> Result<(&'s SessionFacts<'s>, &AdmittedSql), Decision> {
        let Some(session) = ask.session else {
            return Err(refuse(229, "the handle is not one of yours", None));
        };
        let Some(rule) =
            self.sql.iter().find(|r| &r.gateway == session.gateway && r.access >= session.access)
        else {
            let message =
                format!("a {} session on gateway `{}` is not granted", session.access, session.gateway);
            return Err(refuse(221, message, None));
        };
        if session.access < least {
            let message = format!("this needs a {least} session; this one was opened to {}", session.access);
            return Err(refuse(223, message, Some(&rule.grant)));
        }
        Ok((session, rule))
    }

    fn any_grant(&self) -> Decision {
        match self.first_grant() {
            Some(fact) => allow(fact),
            None => refuse(229, "the handle is not one of yours", None),
        }
    }
}

fn allow(fact: &GrantFact) -> Decision {
    Decision::Allow(Allowed { grant: fact.grant.clone(), grant_sha256: fact.grant_sha256, line: fact.line })
}

/// A statement that reaches beyond the relations it names, where no rule lends that.
fn refuse_beyond(
    session: &SessionFacts<'_>,
    reading: &Reading,
    kind: StatementKind,
    nearest: &GrantFact,
) -> Decision {
    let asked: Vec<_> = reading.beyond.iter().map(|beyond| format!("`{beyond}`")).collect();
    let message = format!(
        "this {kind} needs an admin session, or a grant whose `also` holds {}; this session was opened to {}",
        asked.join(" and "),
        session.access
    );
    refuse(235, message, Some(nearest))
}

fn refuse(code: u16, message: impl AsRef<str>, nearest: Option<&GrantFact>) -> Decision {
    Decision::Refuse {
        refusal: Refusal::new(FailureKind::Refused, Code(code), message),
        rule: nearest.map(|f| (f.file.clone(), f.line)),
    }
}
