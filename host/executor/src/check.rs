//! `check`: what of the settings, the scheduler and this machine is right, and what is not.
//!
//! In: settings. Out: one line for each thing looked at, and whether all are right.
//! Never: changes anything: no key is made, nothing is enrolled.

use std::io::{self, Write};

use cofferdam_ids::{Explain, render};

use crate::{
    clock::WallClock,
    config::{Config, ConfigArgs},
    error::ExecutorError,
    gateway,
    grant_keeper::GrantKeeper,
    health,
    runners::RunnerProcess,
    start,
};

/// Checks, prints, and says whether everything is right.
pub fn main(args: ConfigArgs, secret: Option<String>) -> bool {
    let mut report = Report { out: Box::new(io::stdout()), right: true };
    if let Some(config) = report.line("settings", Config::new(args, secret), |_| "complete".into()) {
        look(&config, &mut report);
    }
    report.right
}

fn look(config: &Config, report: &mut Report) {
    let clock = WallClock::system();
    report.line("trust root", start::pinned(config, &clock), |root| {
        format!("{} is pinned, until {}", root.project(), root.root().expires)
    });
    report.line("grants", GrantKeeper::open(&config.grants), |grants| {
        format!(
            "{} in force, digest {}",
            count(grants.current().files().len(), "grant"),
            grants.current().digest().short()
        )
    });
    report.line("gateways", start::gateways(&config.gateways, ""), |keeper| {
        let (gateways, _) = keeper.attempt();
        let mut words: Vec<_> = gateways.names().map(|name| gateway::short(&gateways, name)).collect();
        words.extend(gateways.warnings().iter().map(|warning| format!("\n{:<12} {warning}", "")));
        if words.is_empty() { "none".into() } else { words.join(", ").replace(", \n", "\n") }
    });
    report
        .line("scheduler", reach(config), |at| format!("{} answers and accepts `{}`", at, config.client_id));
    let runner = RunnerProcess::start(&config.program, 1, config.memory_bytes_max);
    if let Some((runner, _)) = report.line("runner", runner, |_| "starts".into()) {
        let (given, missing) = health::words(runner.confinement());
        report.say("confinement", &format!("given: {}", given.join(", ")));
        if !missing.is_empty() {
            report.right = false;
            report.say("confinement", &format!("missing on this kernel: {}", missing.join(", ")));
        }
    }
}

fn reach(config: &Config) -> Result<String, ExecutorError> {
    let client = start::client(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| ExecutorError::RunnerStart(e.to_string()))?;
    runtime.block_on(async {
        client.health().await.map_err(ExecutorError::below)?;
        client.sign_in().await.map_err(ExecutorError::below)
    })?;
    Ok(client.url().to_owned())
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

struct Report {
    out: Box<dyn Write>,
    right: bool,
}

impl Report {
    fn line<T, E: Explain>(
        &mut self,
        what: &str,
        found: Result<T, E>,
        words: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match found {
            Ok(found) => {
                self.say(what, &words(&found));
                Some(found)
            }
            Err(error) => {
                self.right = false;
                self.say(what, "wrong");
                // A closed output is no reason to stop looking.
                let _ = writeln!(self.out, "{}", render(&error));
                None
            }
        }
    }

    fn say(&mut self, what: &str, words: &str) {
        let _ = writeln!(self.out, "{what:<12} {words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_its_fix_and_is_not_right() {
        let args = ConfigArgs { url: Some("http://127.0.0.1:1".into()), ..ConfigArgs::default() };
        assert!(!main(args, None));
    }
}
