//! Gateways that are set by environment variables.
//!
//! In: `COFFERDAM__…` over what the file declares, key by key; `SQLMESH__…` for gateways that
//! neither of them declares. Out: what is declared, and warnings for what was set twice.
//! Never: keeps a password as text.
//! Fails: with the variable's name, never its value.
//! Source: `docs/guides/gateways.md`.

use std::{collections::BTreeMap, sync::Arc};

use cofferdam_ids::GatewayName;
use cofferdam_vault::{EnvSnapshot, Environment, Secret, SecretRef};

use super::declared::{Declared, Entries, Entry, Origin, Problem, Raw, Section, mode};

/// Parameters of SQLMesh's connections that are read.
const SQLMESH_READ: [&str; 7] = ["type", "host", "port", "user", "password", "database", "sslmode"];

/// Puts what the environment says over what the file declares.
pub(super) fn overlay(
    environment: &EnvSnapshot,
    declared: &mut Declared,
    warnings: &mut Vec<String>,
) -> Result<(), Problem> {
    let mut names = environment.names();
    names.sort_unstable();
    let mut overlay = Overlay { environment, declared, warnings, foreign: BTreeMap::new() };
    let mut foreign_default = None;
    for name in names {
        let upper = name.to_ascii_uppercase();
        if let Some(rest) = upper.strip_prefix("COFFERDAM__") {
            overlay.ours(&name, rest)?;
        } else if let Some(rest) = upper.strip_prefix("SQLMESH__") {
            if rest == "DEFAULT_GATEWAY" {
                foreign_default = Some(name);
            } else {
                overlay.collect(&name, rest)?;
            }
        }
    }
    overlay.take_over_foreign()?;
    if let Some(name) = foreign_default {
        overlay.foreign_default(&name)?;
    }
    Ok(())
}

struct Overlay<'a> {
    environment: &'a EnvSnapshot,
    declared: &'a mut Declared,
    warnings: &'a mut Vec<String>,
    foreign: BTreeMap<String, (Origin, Entries)>,
}

impl Overlay<'_> {
    fn origin(&self, name: &str) -> Origin {
        match self.environment.is_from_file(name) {
            true => Origin::EnvFile(name.to_owned()),
            false => Origin::Variable(name.to_owned()),
        }
    }

    fn text(&self, name: &str) -> Result<String, Problem> {
        let value = self.environment.get(name).unwrap_or_default();
        String::from_utf8(value).map_err(|_| Problem::new(&self.origin(name), "its value is not UTF-8"))
    }

    /// A parameter's value: a password that is no reference is a secret from here on.
    fn entry(&self, name: &str, param: &str) -> Result<Entry, Problem> {
        let origin = self.origin(name);
        if param == "password" {
            let bytes = self.environment.get(name).unwrap_or_default();
            let value = match std::str::from_utf8(&bytes) {
                Ok(text) if SecretRef::is_meant(text) => Raw::Text(text.to_owned()),
                _ => Raw::Secret(Arc::new(Secret::new(bytes))),
            };
            return Ok(Entry { value, origin });
        }
        let text = self.text(name)?;
        let value = match param {
            "allow" | "schemas" => {
                Raw::Words(text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect())
            }
            _ => Raw::Text(text),
        };
        Ok(Entry { value, origin })
    }

    /// A variable of `COFFERDAM__`.
    fn ours(&mut self, name: &str, rest: &str) -> Result<(), Problem> {
        let origin = self.origin(name);
        if rest == "DEFAULT_GATEWAY" {
            let gateway = self.gateway(&self.text(name)?, &origin)?;
            if let Some((before, at)) = &self.declared.default
                && *before != gateway
            {
                self.warnings.push(twice("the default gateway", at, &origin));
            }
            self.declared.default = Some((gateway, origin));
            return Ok(());
        }
        let not_a_setting = || {
            Problem::new(
                &origin,
                "this is no setting of a gateway: write COFFERDAM__GATEWAYS__<NAME>__CONNECTION__<PARAM>, \
                 …__READ__<PARAM>, …__WRITE__<PARAM>, …__ADMIN__<PARAM>, or COFFERDAM__DEFAULT_GATEWAY",
            )
        };
        let (gateway, part, param) =
            rest.strip_prefix("GATEWAYS__").and_then(parts).ok_or_else(not_a_setting)?;
        let access = mode(&part.to_ascii_lowercase());
        if access.is_none() && part != "CONNECTION" {
            return Err(not_a_setting());
        }
        let mut param = param.to_ascii_lowercase();
        if param == "type" && access.is_none() {
            "engine".clone_into(&mut param);
        }
        let entry = self.entry(name, &param)?;
        let gateway = self.gateway(gateway, &origin)?;
        let section =
            self.declared.gateways.entry(gateway.clone()).or_insert_with(|| Section::new(origin.clone()));
        let entries = match access {
            Some(access) => section.modes.entry(access).or_default(),
            None => &mut section.entries,
        };
        if let Some(before) = entries.insert(param.clone(), entry) {
            self.warnings.push(twice(&format!("`{param}` of gateway `{gateway}`"), &before.origin, &origin));
        }
        Ok(())
    }

    /// The gateway a variable means: one that is declared under that name in other letters, or a
    /// new one in small letters.
    fn gateway(&self, text: &str, origin: &Origin) -> Result<GatewayName, Problem> {
        let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
        let mut same = self.declared.gateways.keys().filter(|name| plain(name.as_str()) == plain(text));
        match (same.next(), same.next()) {
            (Some(name), None) => Ok(name.clone()),
            (Some(a), Some(b)) => {
                Err(Problem::new(origin, format!("this may mean gateway `{a}` or gateway `{b}`")))
            }
            _ => GatewayName::new(text.to_ascii_lowercase()).map_err(|e| Problem::new(origin, e.to_string())),
        }
    }

    /// A variable of `SQLMESH__`: what is not of a connection is not ours.
    fn collect(&mut self, name: &str, rest: &str) -> Result<(), Problem> {
        let Some((gateway, "CONNECTION", param)) = rest.strip_prefix("GATEWAYS__").and_then(parts) else {
            return Ok(());
        };
        let param = param.to_ascii_lowercase();
        let (origin, entry) = (self.origin(name), self.entry(name, &param)?);
        let kept = self.foreign.entry(gateway.to_owned()).or_insert_with(|| (origin, Entries::new()));
        kept.1.insert(param, entry);
        Ok(())
    }

    fn take_over_foreign(&mut self) -> Result<(), Problem> {
        for (name, (origin, entries)) in std::mem::take(&mut self.foreign) {
            let gateway = self.gateway(&name, &origin)?;
            if let Some(section) = self.declared.gateways.get(&gateway) {
                let at = &section.at;
                self.warnings.push(format!(
                    "gateway `{gateway}` is set up at {at}; what SQLMESH__GATEWAYS__{name}__… says of it is not read"
                ));
                continue;
            }
            if let Some(section) = self.translate(&gateway, origin, entries) {
                self.declared.gateways.insert(gateway, section);
            }
        }
        Ok(())
    }

    fn translate(&mut self, gateway: &GatewayName, origin: Origin, entries: Entries) -> Option<Section> {
        let mut section = Section::new(origin);
        for (param, entry) in entries {
            let word = match &entry.value {
                Raw::Text(text) => text.to_ascii_lowercase(),
                _ => String::new(),
            };
            match param.as_str() {
                "type" if word == "postgres" || word == "mysql" => {
                    section.entries.insert("engine".to_owned(), Entry { value: Raw::Text(word), ..entry });
                }
                "type" => {
                    self.warnings.push(format!(
                        "gateway `{gateway}` is left out: {} names an engine other than postgres and mysql",
                        entry.origin
                    ));
                    return None;
                }
                "sslmode" => {
                    let tls = if word == "disable" { "off" } else { "verify-full" };
                    if word != tls && word != "disable" {
                        self.warnings.push(format!(
                            "{} asks for less than a verified server; gateway `{gateway}` verifies it all the same",
                            entry.origin
                        ));
                    }
                    section
                        .entries
                        .insert("tls".to_owned(), Entry { value: Raw::Text(tls.to_owned()), ..entry });
                }
                param if SQLMESH_READ.contains(&param) => {
                    section.entries.insert(param.to_owned(), entry);
                }
                _ => self.warnings.push(format!("{} is not read: it has no meaning here", entry.origin)),
            }
        }
        if !section.entries.contains_key("engine") {
            self.warnings
                .push(format!("gateway `{gateway}` is left out: {} comes without a TYPE", section.at));
            return None;
        }
        Some(section)
    }

    fn foreign_default(&mut self, name: &str) -> Result<(), Problem> {
        let origin = self.origin(name);
        let gateway = self.gateway(&self.text(name)?, &origin)?;
        match &self.declared.default {
            Some((before, at)) if *before != gateway => {
                let text = format!("the default gateway is set at {at}; {origin} is not read");
                self.warnings.push(text);
            }
            Some(_) => {}
            // One that was left out for its engine is no reason to stop.
            None if self.declared.gateways.contains_key(&gateway) => {
                self.declared.default = Some((gateway, origin));
            }
            None => self.warnings.push(format!("{origin} names a gateway that is not set up")),
        }
        Ok(())
    }
}

fn twice(what: &str, before: &Origin, now: &Origin) -> String {
    format!("{what} is set at {before} and by {now}; the latter counts")
}

/// `WH__CONNECTION__HOST`: the gateway, the part, the parameter.
fn parts(rest: &str) -> Option<(&str, &str, &str)> {
    let (front, param) = rest.rsplit_once("__")?;
    let (gateway, part) = front.rsplit_once("__")?;
    let filled = !gateway.is_empty() && !part.is_empty() && !param.is_empty();
    filled.then_some((gateway, part, param))
}
