//! `gateway`: what is set up, and what is right and wrong with it, in words.
//!
//! In: the gateway settings, as an executor would read them. Out: sentences for the operator.
//! Never: shows a secret; needs a scheduler, a key or a grant; changes anything in a warehouse.
//! Fails: with exit code 1 where anything is wrong, with 3 where it works and should be safer.
//! Source: `docs/guides/gateways.md`.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use cofferdam_broker::{AboutGateway, Finding, Gateways, Verdict};
use cofferdam_call::Access;
use cofferdam_ids::{GatewayName, render};

use crate::{config::GatewayArgs, start};

/// `gateway …`.
#[derive(Debug, clap::Subcommand)]
pub enum GatewayCommand {
    /// Connect, look at what the role may do, and say what is right and wrong.
    Test {
        /// The gateway's name; the default one unless given.
        name: Option<String>,
        /// `read`, `write` or `admin`; every mode that has a credential unless given.
        #[arg(long)]
        mode: Option<String>,
        /// Where gateways are set up.
        #[command(flatten)]
        gateways: GatewayArgs,
    },
    /// Say which gateways are set up, and where each setting comes from.
    List {
        /// Where gateways are set up.
        #[command(flatten)]
        gateways: GatewayArgs,
    },
}

/// Does it, prints, and says by the exit code whether everything is right.
pub fn main(command: &GatewayCommand) -> ExitCode {
    let (text, verdict) = match command {
        GatewayCommand::Test { name, mode, gateways } => {
            with(gateways, |gateways| test(gateways, name.as_deref(), mode.as_deref()))
        }
        GatewayCommand::List { gateways } => with(gateways, |gateways| (list(gateways), Verdict::Good)),
    };
    // A closed output is no reason to stop.
    let _ = write!(io::stdout(), "{text}");
    match verdict {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Weak => ExitCode::from(3),
        Verdict::Wrong => ExitCode::FAILURE,
    }
}

fn with(args: &GatewayArgs, work: impl FnOnce(&Gateways) -> (String, Verdict)) -> (String, Verdict) {
    match start::gateways(args, "") {
        Ok(keeper) => {
            let (gateways, _) = keeper.attempt();
            let (mut text, verdict) = work(&gateways);
            for warning in gateways.warnings() {
                let _ = writeln!(text, "note: {warning}");
            }
            (text, verdict)
        }
        Err(error) => (format!("{}\n", render(&error)), Verdict::Wrong),
    }
}

/// What is right and wrong with one gateway.
fn test(gateways: &Gateways, name: Option<&str>, mode: Option<&str>) -> (String, Verdict) {
    let wrong = |text: String| (format!("{text}\n"), Verdict::Wrong);
    let name = match name {
        Some(name) => match GatewayName::new(name) {
            Ok(name) => name,
            Err(error) => return wrong(error.to_string()),
        },
        None => match gateways.default_name() {
            Some(name) => name.clone(),
            None => return wrong("no gateway is the default: name one".to_owned()),
        },
    };
    let (Ok(driver), Some(about)) = (gateways.get(&name), gateways.about(&name)) else {
        let known: Vec<_> = gateways.names().map(GatewayName::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return wrong(format!("no gateway `{name}` is set up; set up are: {known}"));
    };
    let modes = match mode.map(|mode| (mode, access(mode))) {
        None => about.modes.clone(),
        Some((_, Some(access))) => vec![access],
        Some((mode, None)) => {
            return wrong(format!("`{}` is not `read`, `write` or `admin`", mode.escape_debug()));
        }
    };
    let (mut text, mut worst) = (String::new(), Verdict::Good);
    for access in modes {
        let _ = writeln!(text, "gateway {name} ({}), mode {access}", about.engine);
        let findings = match gateways.credential(&name, access) {
            Ok(()) => driver.inspect(access),
            Err(problem) => vec![Finding::wrong(problem)],
        };
        for Finding { verdict, text: sentence } in findings {
            worst = worst.max(verdict);
            let word = match verdict {
                Verdict::Good => "ok",
                Verdict::Weak => "weak",
                Verdict::Wrong => "wrong",
            };
            let _ = writeln!(text, "  {word:<6} {sentence}");
        }
    }
    (text, worst)
}

fn list(gateways: &Gateways) -> String {
    let mut text = String::new();
    for name in gateways.names() {
        let _ = writeln!(text, "{}", short(gateways, name));
        let about = gateways.about(name).map(|about| about.origins.clone()).unwrap_or_default();
        for (key, origin) in about {
            let _ = writeln!(text, "  {key:<20} {origin}");
        }
    }
    if text.is_empty() { "no gateway is set up\n".to_owned() } else { text }
}

/// A gateway in a few words: `wh (postgres: read, write; default)`.
pub fn short(gateways: &Gateways, name: &GatewayName) -> String {
    let Some(AboutGateway { engine, modes, .. }) = gateways.about(name) else { return name.to_string() };
    let modes: Vec<_> = modes.iter().map(Access::to_string).collect();
    let default = if gateways.default_name() == Some(name) { "; default" } else { "" };
    format!("{name} ({engine}: {}{default})", modes.join(", "))
}

fn access(mode: &str) -> Option<Access> {
    [Access::Read, Access::Write, Access::Admin].into_iter().find(|access| access.to_string() == mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateways(folder: &std::path::Path, text: &str) -> GatewayArgs {
        let path = folder.join("gateways.toml");
        std::fs::write(&path, text).unwrap();
        GatewayArgs { gateways: Some(path), env_file: None }
    }

    #[test]
    fn a_gateway_that_is_right_is_said_to_be_and_one_that_is_not_is_said_why() {
        let folder = tempfile::tempdir().unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(folder.path(), private).unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let text = "default = \"wh\"\n[gateways.wh]\nengine = \"sqlite\"\npath = \"wh.db\"\n\
                    [gateways.broken]\nengine = \"sqlite\"\npath = \"file/wh.db\"\n";
        let args = gateways(folder.path(), text);
        let (text, verdict) = with(&args, |gateways| test(gateways, None, Some("write")));
        insta::assert_snapshot!(text, @r"
        gateway wh (sqlite), mode write
          ok     the files of `main` can be opened
          ok     the fence's table is there
        ");
        assert_eq!(verdict, Verdict::Good);
        let (text, verdict) = with(&args, |gateways| test(gateways, Some("broken"), Some("read")));
        insta::assert_snapshot!(text, @r"
        gateway broken (sqlite), mode read
          wrong  the warehouse's files cannot be opened
        ");
        assert_eq!(verdict, Verdict::Wrong);
        for (name, mode) in [("other", None), ("wh", Some("delete")), ("a b", None)] {
            let (text, verdict) = with(&args, |gateways| test(gateways, Some(name), mode));
            assert_eq!(verdict, Verdict::Wrong, "{text}");
        }
        let (text, _) = with(&args, |gateways| (list(gateways), Verdict::Good));
        insta::assert_snapshot!(text, @r"
        broken (sqlite: read, write, admin)
          engine               line 6 of the settings file
          path                 line 7 of the settings file
        wh (sqlite: read, write, admin; default)
          engine               line 3 of the settings file
          path                 line 4 of the settings file
        ");
    }

    #[test]
    fn settings_that_cannot_be_read_are_rendered_with_their_fix() {
        let args = GatewayArgs { gateways: Some("/nowhere/gateways.toml".into()), env_file: None };
        let (text, verdict) = with(&args, |_| (String::new(), Verdict::Good));
        assert_eq!(verdict, Verdict::Wrong);
        assert!(text.starts_with("error[CD0314]: cannot read the gateway settings"), "{text}");
    }
}
