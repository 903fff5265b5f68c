//! The compile child: component bytes in, artifact out, nothing else.
//!
//! In: a component on standard input, at most 32 MiB. Out: the artifact on standard output.
//! Never: runs what it compiles; reads a file; lives longer than 60 s of processor time.
//! Fails: with [`CompileError`], as one line of JSON on standard error; past its limits the kernel
//! ends it, which the parent sees.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::io::{self, Read, Write};

use cofferdam_ids::{ByteCount, Code, Explain, Fault};

use crate::{
    confine::{ConfineError, Ruleset, confine},
    engine,
    text::clean,
};

/// Bytes of a component.
pub const COMPONENT_BYTES_MAX: u64 = 32 << 20;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The child could not be confined.
    #[error("the compile child could not be confined")]
    Confine(#[source] ConfineError),
    /// More bytes than a component may have.
    #[error("the component is longer than {limit}")]
    TooLarge {
        /// The limit.
        limit: ByteCount,
    },
    /// Not a component this executor runs.
    #[error("the component cannot be compiled: {0}")]
    Invalid(String),
    /// The compiler itself could not start.
    #[error("the compiler did not start: {0}")]
    Engine(String),
    /// A pipe broke.
    #[error("the pipe to the broker broke")]
    Pipe(#[source] io::Error),
}

impl Explain for CompileError {
    fn code(&self) -> Code {
        match self {
            Self::Confine(error) => error.code(),
            Self::TooLarge { .. } => Code(430),
            Self::Invalid(_) => Code(431),
            Self::Engine(_) | Self::Pipe(_) => Code(432),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Confine(error) => error.fault(),
            Self::TooLarge { .. } | Self::Invalid(_) => Fault::Publisher,
            Self::Engine(_) | Self::Pipe(_) => Fault::Ours,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Confine(error) => error.fix(),
            Self::TooLarge { .. } => "build the plugin with the `guest` profile, which strips it".to_owned(),
            Self::Invalid(_) => {
                "build the plugin for `wasm32-wasip2`, without experimental features".to_owned()
            }
            Self::Engine(_) | Self::Pipe(_) => "report this with the executor's log".to_owned(),
        }
    }
}

/// What the parent reads on standard error.
#[derive(serde::Serialize)]
struct Line<'a> {
    code: Code,
    message: &'a str,
}

/// The compile child's main: confines itself, compiles standard input to standard output.
///
/// An error has been written to standard error as `{"code":"CD0431","message":"…"}` when this
/// returns; the process should then exit with a status other than 0.
pub fn compile() -> Result<(), CompileError> {
    compile_stdio().inspect_err(|error| {
        let message = clean(&chain(error));
        let line = serde_json::to_string(&Line { code: error.code(), message: &message }).unwrap_or_default();
        // The parent is gone if this fails: nobody is left to be told.
        let _ = writeln!(io::stderr(), "{line}");
    })
}

fn chain(error: &CompileError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn compile_stdio() -> Result<(), CompileError> {
    confine(Ruleset::Compile).map_err(CompileError::Confine)?;
    let mut component = Vec::new();
    io::stdin().take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut component).map_err(CompileError::Pipe)?;
    let artifact = compile_bytes(&component)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&artifact).and_then(|()| stdout.flush()).map_err(CompileError::Pipe)
}

/// Compiles a component in this process, as the compile child does in its own.
///
/// For tests, benchmarks and the child itself: an executor never compiles outside a child.
pub fn compile_bytes(component: &[u8]) -> Result<Vec<u8>, CompileError> {
    if component.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(CompileError::TooLarge { limit: ByteCount(COMPONENT_BYTES_MAX) });
    }
    let engine = engine::compiler().map_err(|error| CompileError::Engine(error.to_string()))?;
    engine.precompile_component(component).map_err(|error| {
        let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
        CompileError::Invalid(cofferdam_call::shorten(&causes.join(": "), cofferdam_call::MESSAGE_BYTES_MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_is_too_large_is_not_even_parsed() {
        let error = compile_bytes(&vec![0; COMPONENT_BYTES_MAX as usize + 1]).unwrap_err();
        insta::assert_snapshot!(cofferdam_ids::render(&error), @r"
        error[CD0430]: the component is longer than 32 MiB
          fix: build the plugin with the `guest` profile, which strips it
        ");
    }

    #[test]
    fn a_core_module_is_no_component() {
        let module = wat::parse_str("(module)").unwrap();
        assert_eq!(compile_bytes(&module).unwrap_err().code(), Code(431));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]
        #[test]
        fn any_bytes_give_an_artifact_or_an_error(bytes: Vec<u8>) {
            let _ = compile_bytes(&bytes);
            let _ = compile_bytes(&[b"\0asm\x0d\0\x01\0", &bytes[..]].concat());
        }
    }
}
