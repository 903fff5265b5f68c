//! `gateway`: what the executor beside this program says of its gateways.
//!
//! In: a gateway's name. Out: the executor's words and exit code.
//! Never: reads gateway settings or a secret itself: that is the executor's part.
//! Fails: with `CD0006` where the executor is not there.
//! Source: `docs/guides/gateways.md`.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use crate::{
    args::Gateway,
    failure::{Failure, Outcome},
    folder::Folder,
    programs,
};

/// What the executor ends with where the gateway works and should be safer.
const WEAK: i32 = 3;

/// Asks the executor, whose words go straight to whoever reads; gives the exit code.
pub(crate) fn ask(at: Option<&Path>, command: &Gateway) -> Outcome<u8> {
    Ok(u8::from(!run(at, command)?.success()))
}

/// The same for who wants to know only whether work can be done.
pub(crate) fn ask_whether_it_works(at: Option<&Path>, command: &Gateway) -> Outcome<u8> {
    let status = run(at, command)?;
    Ok(u8::from(!status.success() && status.code() != Some(WEAK)))
}

fn run(at: Option<&Path>, command: &Gateway) -> Outcome<ExitStatus> {
    let program = programs::beside("cofferdam-executor")?;
    let status = asking(&program, at, command).stdin(Stdio::null()).status();
    status.map_err(|e| Failure::file("run", &program, &e))
}

fn asking(program: &Path, at: Option<&Path>, command: &Gateway) -> Command {
    let mut asking = Command::new(program);
    asking.arg("gateway");
    match command {
        Gateway::Test { name, mode } => {
            asking.arg("test").args(mode.iter().flat_map(|mode| ["--mode", mode]));
            asking.args(name.iter().flat_map(|name| ["--", name.as_str()]));
        }
        Gateway::List => {
            asking.arg("list");
        }
    }
    // An executor's own environment counts before the project's folder.
    if std::env::var_os("COFFERDAM_GATEWAYS").is_none()
        && let Ok(folder) = Folder::find(at)
    {
        asking.env("COFFERDAM_GATEWAYS", folder.gateways()).current_dir(folder.root());
    }
    asking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_read_as_a_flag() {
        let command = Gateway::Test { name: Some("--help".to_owned()), mode: Some("read".to_owned()) };
        let asking = asking(Path::new("/bin/x"), Some(Path::new("/nowhere")), &command);
        let args: Vec<_> = asking.get_args().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(args, ["gateway", "test", "--mode", "read", "--", "--help"]);
    }
}
