//! Why a component was not accepted.

use cofferdam_ids::{ByteCount, Code, Explain, Fault};

use crate::world::World;

/// Why a component was not accepted. It was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message says of them")]
pub enum InspectRefused {
    /// Not WebAssembly at all.
    #[error("the file is not a WebAssembly component")]
    NotAComponent,
    /// A core module.
    #[error("the file is a core WebAssembly module, not a component")]
    CoreModule,
    /// Does not validate.
    #[error("the component is not valid: {why}")]
    Invalid { why: String },
    /// Over the limit of bytes.
    #[error("the component is {size} long; the limit is {limit}")]
    TooLarge { size: ByteCount, limit: ByteCount },
    /// Over the limit of modules.
    #[error("the component holds more than {limit} modules and components")]
    TooManyModules { limit: u32 },
    /// Imports something its world does not have.
    #[error("the component imports `{}`, which is not lent to plugins{}", name.escape_debug(), near(nearest))]
    UnknownImport { name: String, nearest: Option<String> },
    /// Lacks its world's export.
    #[error("the component does not export `{export}`, as world `{world}` asks")]
    MissingExport { world: World, export: String },
    /// Exports nothing of ours.
    #[error("the component fits no world: it exports {}", listed(exports))]
    NoWorld { exports: Vec<String> },
}

fn near(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |n| format!("; the nearest that is: `{n}`"))
}

fn listed(exports: &[String]) -> String {
    if exports.is_empty() {
        return "no interface".to_owned();
    }
    let shown: Vec<_> = exports.iter().take(8).map(|e| format!("`{}`", e.escape_debug())).collect();
    shown.join(", ")
}

impl Explain for InspectRefused {
    fn code(&self) -> Code {
        Code(match self {
            Self::NotAComponent => 501,
            Self::CoreModule => 502,
            Self::Invalid { .. } => 503,
            Self::TooLarge { .. } => 504,
            Self::TooManyModules { .. } => 505,
            Self::UnknownImport { .. } => 506,
            Self::MissingExport { .. } => 507,
            Self::NoWorld { .. } => 508,
        })
    }

    fn fault(&self) -> Fault {
        Fault::Plugin
    }

    fn fix(&self) -> String {
        match self {
            Self::NotAComponent => "build it with `cargo build --target wasm32-wasip2`".to_owned(),
            Self::CoreModule => {
                "build for `wasm32-wasip2`, whose output is a component, not for `wasm32-wasip1`".to_owned()
            }
            Self::Invalid { .. } => {
                "build it again without threads, exceptions, 64-bit memories, tail calls and garbage collection"
                    .to_owned()
            }
            Self::TooLarge { .. } => "strip it and build with `opt-level = \"s\"` and LTO".to_owned(),
            Self::TooManyModules { .. } => "link its parts into fewer modules".to_owned(),
            Self::UnknownImport { .. } => {
                "take out whatever needs it; a plugin reaches the outside through its world alone".to_owned()
            }
            Self::MissingExport { .. } | Self::NoWorld { .. } => {
                "implement the trait of the SDK and export it with its macro".to_owned()
            }
        }
    }
}
