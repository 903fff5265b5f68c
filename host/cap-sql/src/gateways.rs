//! The gateways of one executor, from `gateways.toml`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use cofferdam_call::Refusal;
use cofferdam_ids::{Code, Explain, Fault, GatewayName};
use cofferdam_vault::{SecretRef, Vault};
use serde::Deserialize;

use crate::{
    driver::SqlDriver,
    refusals,
    sqlite::{Place, Sqlite, SqliteSettings},
};

/// Bytes of a settings file.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The gateways of one executor, by the names releases and grants use.
#[derive(Default)]
pub struct Gateways {
    drivers: BTreeMap<GatewayName, Arc<dyn SqlDriver>>,
    default: Option<GatewayName>,
    warnings: Vec<String>,
}

/// What is wrong with a settings file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewaysProblem {
    /// It cannot be read.
    #[error("cannot read the gateway settings `{file}`")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not as it should be.
    #[error("{file}:{line}: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

impl Explain for GatewaysProblem {
    fn code(&self) -> Code {
        Code(314)
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => "name a file the executor can read with COFFERDAM_GATEWAYS".to_owned(),
            Self::Invalid { file, line, .. } => format!("correct line {line} of {file}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: Option<toml::Spanned<GatewayName>>,
    #[serde(default)]
    gateways: BTreeMap<GatewayName, toml::Spanned<Settings>>,
}

#[derive(Deserialize)]
#[serde(tag = "engine", rename_all = "lowercase", deny_unknown_fields)]
enum Settings {
    Sqlite {
        path: String,
        #[serde(default)]
        schemas: Vec<String>,
    },
}

impl Gateways {
    /// Reads a settings file. Relative paths in it start at its folder.
    pub fn from_file(path: &Path, vault: &Vault) -> Result<Self, GatewaysProblem> {
        let file = path.display().to_string();
        let unreadable = |source| GatewaysProblem::Unreadable { file: file.clone(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let path = std::path::absolute(path).map_err(unreadable)?;
        Self::parse(&file, &text, path.parent().unwrap_or(Path::new("/")), vault)
    }

    /// Reads settings from text. `base` is where relative paths start; it must be absolute.
    pub fn parse(file: &str, text: &str, base: &Path, vault: &Vault) -> Result<Self, GatewaysProblem> {
        let invalid = |at: usize, problem: String| GatewaysProblem::Invalid {
            file: file.to_owned(),
            line: text.get(..at).unwrap_or(text).matches('\n').count() + 1,
            problem,
        };
        if text.len() > FILE_BYTES_MAX {
            return Err(invalid(0, "the file is over 1 MiB long".to_owned()));
        }
        let read: File = toml::from_str(text)
            .map_err(|e| invalid(e.span().map_or(0, |span| span.start), e.message().to_owned()))?;
        let mut made = Self::default();
        for (name, settings) in read.gateways {
            let at = settings.span().start;
            let driver = driver(settings.into_inner(), base, vault, &mut made.warnings);
            made.drivers.insert(name, driver.map_err(|problem| invalid(at, problem))?);
        }
        if let Some(default) = read.default {
            if !made.drivers.contains_key(default.get_ref()) {
                let problem = format!("the default gateway `{}` is not in this file", default.get_ref());
                return Err(invalid(default.span().start, problem));
            }
            made.default = Some(default.into_inner());
        }
        Ok(made)
    }

    /// Adds or replaces a gateway.
    pub fn insert(&mut self, name: GatewayName, driver: Arc<dyn SqlDriver>) {
        self.drivers.insert(name, driver);
    }

    /// The driver of a gateway, or a refusal for the guest.
    pub fn get(&self, name: &GatewayName) -> Result<&Arc<dyn SqlDriver>, Refusal> {
        self.drivers.get(name).ok_or_else(|| {
            refusals::unknown_gateway(format!("no gateway `{name}` is set up on this executor"))
        })
    }

    /// The gateway meant where none is named.
    pub fn default_name(&self) -> Option<&GatewayName> {
        self.default.as_ref()
    }

    /// The gateways' names.
    pub fn names(&self) -> impl Iterator<Item = &GatewayName> {
        self.drivers.keys()
    }

    /// What the operator should know about how the settings are kept, as sentences.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn driver(
    settings: Settings,
    base: &Path,
    vault: &Vault,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn SqlDriver>, String> {
    match settings {
        Settings::Sqlite { path, schemas } => {
            let place = if SecretRef::is_meant(&path) {
                let reference: SecretRef = path.parse().map_err(|e| format!("{e}"))?;
                warnings.extend(vault.warnings(&reference));
                Place::Referenced { reference, base: base.to_owned() }
            } else if path.is_empty() || path.contains('\0') {
                return Err("`path` is empty".to_owned());
            } else {
                Place::Known(base.join(PathBuf::from(path)))
            };
            let driver = Sqlite::new(SqliteSettings { place, schemas }, vault.clone())?;
            Ok(Arc::new(driver))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Gateways, GatewaysProblem> {
        Gateways::parse("gateways.toml", text, Path::new("/srv"), &Vault::default())
    }

    fn problem(text: &str) -> String {
        parse(text).err().unwrap().to_string()
    }

    #[test]
    fn gateways_are_found_by_name() {
        let gateways = parse(
            "default = \"wh\"\n[gateways.wh]\nengine = \"sqlite\"\npath = \"wh.db\"\nschemas = [\"raw\"]\n",
        )
        .unwrap();
        assert_eq!(gateways.names().map(GatewayName::as_str).collect::<Vec<_>>(), ["wh"]);
        assert_eq!(gateways.default_name().unwrap().as_str(), "wh");
        assert!(gateways.get(&GatewayName::new("wh").unwrap()).is_ok());
        let refusal = gateways.get(&GatewayName::new("other").unwrap()).err().unwrap();
        assert_eq!(refusal.to_string(), "CD0313: no gateway `other` is set up on this executor");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = "[gateways.wh]\nengine = \"sqlite\"\npth = \"wh.db\"\n";
        let found = problem(text);
        assert!(found.starts_with("gateways.toml:"), "{found}");
        assert!(found.contains("pth"), "{found}");
        assert!(problem("defualt = \"wh\"\n").starts_with("gateways.toml:1: unknown field `defualt`"));
    }

    #[test]
    fn an_unknown_engine_a_bad_schema_and_a_bad_default_are_refused() {
        for (text, expected) in [
            ("[gateways.wh]\nengine = \"oracle\"\npath = \"x\"\n", "oracle"),
            ("[gateways.wh]\nengine = \"sqlite\"\npath = \"x\"\nschemas = [\"a b\"]\n", "a b"),
            ("[gateways.wh]\nengine = \"sqlite\"\npath = \"x\"\nschemas = [\"temp\"]\n", "temp"),
            ("[gateways.wh]\nengine = \"sqlite\"\npath = \"x\"\nschemas = [\"a\", \"A\"]\n", "twice"),
            ("default = \"x\"\n", "default gateway `x`"),
            ("[gateways.\"a b\"]\nengine = \"sqlite\"\npath = \"x\"\n", "a b"),
            ("[gateways.wh]\nengine = \"sqlite\"\npath = \"env://A-B\"\n", "env://"),
        ] {
            let found = problem(text);
            assert!(found.contains(expected), "{found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_gateways_or_a_problem(text: String) {
            let _ = parse(&text);
        }
    }
}
