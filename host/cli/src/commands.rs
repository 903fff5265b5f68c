//! From a parsed command line to what was asked for.
//!
//! In: [`Cofferdam`]. Out: text on standard output, an exit code.
//! Never: decides how things look or work; every line calls a module that does.
//! Fails: with whatever that module fails with.
//! Source: `docs/guides/command-line.md`.

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use cofferdam_bundle::statement::Release as ReleaseBody;
use cofferdam_ids::{EnvironmentName, JobName, RunId, Sha256Digest};
use cofferdam_protocol::api::{RunState, RunView, StartRun};
use serde::Serialize;
use serde_json::json;

use crate::{
    args::{Cofferdam, Command, Get, Grants, Keys, LedgerCommand, Logs, Plugin, Release, Run},
    connect::connect,
    failure::{Failure, NO_RELEASE, Outcome, USAGE},
    folder::{self, Folder},
    gateways, get, grant_files, init, keys, ledgers, logs, now, plugin, release,
    run::{self, Ended, Format},
    text::{self, Paint},
    up,
};

/// The exit code after Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// Runs one command.
pub(crate) async fn run(args: Cofferdam) -> Outcome<u8> {
    let project = args.project;
    let at = project.as_deref();
    match args.command {
        Command::Init { dir } => {
            let dir = dir.or(project).unwrap_or_else(|| PathBuf::from("."));
            print(&init::init(&dir, now(), Paint::stdout())?);
            Ok(0)
        }
        Command::Up { slots, listen } => {
            let folder = Folder::find(at)?;
            up::up(&folder, &up::Options { slots, listen }, now(), Paint::stdout()).await?;
            Ok(0)
        }
        Command::Release(command) => release_command(at, command).await,
        Command::Run(command) => start_run(at, command).await,
        Command::Dbt(command) => crate::dbt::run(*command).await,
        Command::Get(command) => get_command(at, command).await,
        Command::Cancel { run, json } => {
            let view = connect(at)?.cancel_run(&run_id(&run)?).await.map_err(|e| Failure::of(&e))?;
            shown(json.json, &view, |view| get::run(view, now(), Paint::stdout()));
            Ok(0)
        }
        Command::Logs(command) => logs_command(at, command),
        Command::Grants(command) => grants_command(at, command),
        Command::Ledger(command) => ledger_command(at, &command),
        Command::Gateway(command) => gateways::ask(at, &command),
        Command::Keys(command) => keys_command(at, command),
        Command::Plugin(Plugin::Inspect { file, json }) => plugin::inspect(&file, json.json, Paint::stdout())
            .map(|text| {
                print(&text);
                0
            }),
    }
}

/// Prints text. A reader that has gone away (`| head`) is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stdout().flush();
}

fn shown<T: Serialize>(as_json: bool, value: &T, text: impl FnOnce(&T) -> String) {
    if as_json {
        print(&format!("{}\n", serde_json::to_string(value).unwrap_or_default()));
    } else {
        print(&text(value));
    }
}

fn run_id(text: &str) -> Outcome<RunId> {
    RunId::new(text).map_err(|error| {
        Failure::new(USAGE, error.to_string(), "`cofferdam get runs` lists the runs and their ids")
    })
}

async fn release_command(at: Option<&Path>, command: Release) -> Outcome<u8> {
    let at_now = now();
    match command {
        Release::Build { seq, output, plugins, sign, push, json } => {
            let folder = Folder::find(at)?;
            let built = release::build(&folder, seq, plugins.as_deref(), at_now)?;
            if let Some(output) = output {
                folder::replace_beside(&output, &folder::json_text(&built.release))?;
            }
            let say = |line: String| {
                if !json.json {
                    print(&format!("{line}\n"))
                }
            };
            say(built.line());
            warn_of_refusals(&folder, &built.release);
            let mut value = json!({"release_seq": built.local.seq, "project": built.release.project,
                "tasks": built.release.tasks.len(), "file": built.local.body_file()});
            if sign {
                let signed = release::sign(&folder, &built.local, None, at_now)?;
                say(format!("signed release {} as sha256:{}", built.local.seq, signed.body_sha256()));
                value["sha256"] = json!(signed.body_sha256());
            } else {
                say("next: cofferdam release sign".to_owned());
            }
            if push {
                let pushed = release::push(&connect(at)?, &folder, &built.local, at_now).await?;
                say(pushed.line());
                value["pushed"] = json!(true);
            }
            if json.json {
                print(&format!("{value}\n"));
            }
            Ok(0)
        }
        Release::Sign { seq, key } => {
            let folder = Folder::find(at)?;
            let local = release::latest(&folder, seq)?;
            let signed = release::sign(&folder, &local, key.as_deref(), at_now)?;
            print(&format!(
                "signed release {} as sha256:{}\nnext: cofferdam release push\n",
                local.seq,
                signed.body_sha256()
            ));
            Ok(0)
        }
        Release::Push { seq } => {
            let folder = Folder::find(at)?;
            let local = release::latest(&folder, seq)?;
            let pushed = release::push(&connect(at)?, &folder, &local, at_now).await?;
            print(&format!("{}\n", pushed.line()));
            Ok(0)
        }
        Release::Inspect { release, json } => {
            let opened = find_release(at, release.as_deref()).await?;
            if json.json {
                let value =
                    json!({"sha256": opened.sha256, "signed": opened.signed, "release": opened.release});
                print(&format!("{value}\n"));
            } else {
                print(&release::inspect_text(&opened, Paint::stdout()));
            }
            Ok(0)
        }
    }
}

/// A release by file, number or digest; the newest here unless named.
async fn find_release(at: Option<&Path>, named: Option<&str>) -> Outcome<release::Opened> {
    let folder = Folder::find(at);
    let root = folder.as_ref().ok().and_then(|folder| keys::root(folder, now()).ok());
    let release_keys = root.as_ref().map(|(_, root)| root.release_keys());
    let read = |path: &Path| std::fs::read(path).map_err(|e| Failure::file("read", path, &e));
    if let Some(file) = named.map(Path::new).filter(|path| path.is_file()) {
        return release::open_any(&read(file)?, release_keys);
    }
    if let Some(digest) = named.and_then(|named| named.parse::<Sha256Digest>().ok()) {
        let here = folder.as_ref().ok().and_then(|folder| release::by_digest(folder, digest, now()));
        let bytes = match here {
            Some(local) => read(&local.envelope_file())?,
            None => connect(at)?.release(&digest).await.map_err(|e| Failure::of(&e))?,
        };
        return release::open_any(&bytes, release_keys);
    }
    let seq = match named {
        None => None,
        Some(number) => Some(number.parse::<u64>().map_err(|_| {
            let what = format!("`{}` is no release's file, number or digest", text::tame(number));
            Failure::new(NO_RELEASE, what, "`cofferdam get releases` lists what the scheduler has")
        })?),
    };
    let local = release::latest(&folder?, seq)?;
    let signed = local.envelope_file();
    let file = if signed.is_file() { signed } else { local.body_file() };
    release::open_any(&read(&file)?, release_keys)
}

/// Tells the builder at once what this machine's executors would refuse later.
fn warn_of_refusals(folder: &Folder, release: &ReleaseBody) {
    const SHOWN: usize = 3;
    let Ok(project) = keys::root_digest(folder, now()) else { return };
    let Ok(grants) = grant_files::read(&folder.grants(), ".cofferdam/grants") else { return };
    let refused = grant_files::refused(&grants, release, project, now());
    if refused.is_empty() {
        return;
    }
    let count = text::count(refused.len() as u64, "task");
    eprintln!("warning: the grants on this machine refuse {count} of this release");
    refused.iter().take(SHOWN).for_each(|why| eprintln!("  {why}"));
    eprintln!("  see `cofferdam grants explain TASK`; `cofferdam init` renews an unedited starter grant");
}

async fn start_run(at: Option<&Path>, command: Run) -> Outcome<u8> {
    let named = |e: cofferdam_ids::InvalidName| {
        Failure::new(USAGE, e.to_string(), "`cofferdam run --help` says more")
    };
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|e| {
        Failure::new(
            crate::failure::PROGRAM,
            "the system gives no random bytes",
            "check the system's random source",
        )
        .why(e.to_string())
    })?;
    let start = StartRun {
        project: None,
        release: command.release,
        job: command.job.map(JobName::new).transpose().map_err(named)?,
        select: command.select,
        environment: command.environment.map(EnvironmentName::new).transpose().map_err(named)?,
        role: command.role,
        params: command.params.iter().map(|param| run::parameter(param)).collect::<Outcome<_>>()?,
        // So that a call that is repeated after a lost answer does not start a second run.
        idempotency_key: Some(key.iter().map(|byte| format!("{byte:02x}")).collect()),
    };
    let project =
        Folder::find(at).ok().and_then(|folder| folder.config().ok()).map(|config| config.project_id());
    let client = connect(at)?;
    let view = client.start_run(&StartRun { project, ..start }).await.map_err(|e| Failure::of(&e))?;
    let as_json = command.json.json;
    if command.no_wait {
        shown(as_json, &view, |view| {
            format!("started {}\nfollow it: cofferdam get run {}\n", view.run, view.run)
        });
        return Ok(0);
    }
    let format = match (as_json, std::io::stdout().is_terminal()) {
        (true, _) => Format::Json,
        (false, true) => Format::Live,
        (false, false) => Format::Plain,
    };
    if !as_json {
        print(&format!("{}\n", begun(&view)));
    }
    match run::follow(&client, view.clone(), format, Paint::stdout()).await? {
        Ended::Run(run) => Ok(u8::from(run.state != RunState::Succeeded)),
        Ended::Detached => {
            eprintln!("left it; {} goes on", view.run);
            eprintln!("  look: cofferdam get run {}\n  stop: cofferdam cancel {}", view.run, view.run);
            Ok(INTERRUPTED)
        }
    }
}

fn begun(run: &RunView) -> String {
    let what = run.job.as_ref().map_or_else(String::new, |job| format!("job {job}, "));
    format!(
        "run {}: {what}{} of release {}",
        run.run,
        text::count(run.tasks.len() as u64, "task"),
        run.release_seq
    )
}

async fn get_command(at: Option<&Path>, command: Get) -> Outcome<u8> {
    let client = connect(at)?;
    let paint = Paint::stdout();
    let failed = |e: cofferdam_client::ClientError| Failure::of(&e);
    match command {
        Get::Executors { json } => {
            let found = client.executors().await.map_err(failed)?;
            shown(json.json, &found, |found| get::executors(&found.executors, now(), paint));
        }
        Get::Runs { json } => {
            let found = client.runs().await.map_err(failed)?;
            shown(json.json, &found, |found| get::runs(&found.runs, now(), paint));
        }
        Get::Run { run, json } => {
            let found = client.run(&run_id(&run)?).await.map_err(failed)?;
            shown(json.json, &found, |found| get::run(found, now(), paint));
        }
        Get::Releases { json } => {
            let found = client.releases().await.map_err(failed)?;
            shown(json.json, &found, |found| get::releases(&found.releases, now(), paint));
        }
    }
    Ok(0)
}

fn logs_command(at: Option<&Path>, command: Logs) -> Outcome<u8> {
    let (run, task) = match (command.last, command.first, command.second) {
        (true, _, Some(_)) => {
            let fix = "write `cofferdam logs --last TASK`, or `cofferdam logs RUN TASK`";
            return Err(Failure::new(USAGE, "--last stands for the run, and a run is named as well", fix));
        }
        (true, task, None) => (None, task),
        (false, run, task) => (run, task),
    };
    let places = logs::places(|| Folder::find(at), command.objects)?;
    let attempts = logs::read(&places, &logs::Wanted { run, task, attempt: command.attempt })?;
    if command.json.json {
        for attempt in &attempts {
            print(&format!("{}\n", serde_json::to_string(attempt).unwrap_or_default()));
        }
    } else {
        print(&logs::render(&attempts, Paint::stdout()));
    }
    Ok(0)
}

fn grants_command(at: Option<&Path>, command: Grants) -> Outcome<u8> {
    let read = |given: Option<PathBuf>| match given {
        Some(given) => grant_files::read(&given, &given.display().to_string()),
        None => grant_files::read(&Folder::find(at)?.grants(), ".cofferdam/grants"),
    };
    match command {
        Grants::Explain { task, release, grants } => {
            let folder = Folder::find(at)?;
            let body = match release.as_deref().map(Path::new).filter(|path| path.is_file()) {
                Some(file) => {
                    let bytes = std::fs::read(file).map_err(|e| Failure::file("read", file, &e))?;
                    release::open_any(&bytes, None)?.release
                }
                None => release::latest(&folder, number(release.as_deref())?)?.body()?,
            };
            let project = keys::root_digest(&folder, now())?;
            print(&grant_files::explain(&read(grants)?, &body, project, &task, now())?);
            Ok(0)
        }
        Grants::Lint { grants } => {
            let (text, _) = grant_files::lint_text(&read(grants)?, now());
            print(&text);
            Ok(0)
        }
    }
}

fn number(text: Option<&str>) -> Outcome<Option<u64>> {
    let parse = |text: &str| {
        text.parse::<u64>().map_err(|_| {
            let what = format!("`{}` is no release's file or number", text::tame(text));
            Failure::new(NO_RELEASE, what, "name a file, or a number under .cofferdam/releases")
        })
    };
    text.map(parse).transpose()
}

fn ledger_command(at: Option<&Path>, command: &LedgerCommand) -> Outcome<u8> {
    match command {
        LedgerCommand::Show { data, task, json } => {
            for (_, file) in ledgers::find(data.as_deref(), || Folder::find(at))? {
                ledgers::show_to(&mut std::io::stdout().lock(), &file, task.as_deref(), json.json)?;
            }
            Ok(0)
        }
        LedgerCommand::Verify { data, expect_head, json } => {
            let mut all_whole = true;
            for (name, file) in ledgers::find(data.as_deref(), || Folder::find(at))? {
                let (text, whole) =
                    ledgers::verify_file(&name, &file, *expect_head, json.json, Paint::stdout())?;
                print(&text);
                all_whole &= whole;
            }
            Ok(u8::from(!all_whole))
        }
    }
}

fn keys_command(at: Option<&Path>, command: Keys) -> Outcome<u8> {
    let folder = Folder::find(at)?;
    match command {
        Keys::List { json } => {
            let keys = keys::list(&folder)?;
            shown(json.json, &keys, |keys| {
                let rows: Vec<Vec<String>> =
                    keys.iter().map(|k| vec![k.role.clone(), k.key_id.clone(), k.file.clone()]).collect();
                text::table(&["ROLE", "KEY ID", "FILE"], &rows, Paint::stdout())
            });
        }
        Keys::Generate { role } => {
            let file = folder.shown(&folder.key_file(&role));
            let made = keys::generate(&folder, &role)?;
            print(&if made { format!("made {file}\n") } else { format!("kept {file}: it was there\n") });
        }
        Keys::Show { json } => {
            let (_, root) = keys::root(&folder, now())?;
            shown(json.json, &keys::trust(&root), keys::trust_text);
        }
        Keys::Root { replace } => {
            let project = folder.config()?.project_id();
            let made = keys::make_root(&folder, &project, now(), replace)?;
            let digest = keys::root_digest(&folder, now())?;
            print(&if made {
                format!(
                    "signed a trust root: sha256:{digest}\nexecutors pin it, and `subject.project` of grants names it\n"
                )
            } else {
                format!("kept the trust root sha256:{digest}; --replace signs another\n")
            });
        }
    }
    Ok(0)
}
