//! Keeps the settings in force, and gives each attempt its own view of them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cofferdam_ids::GatewayName;
use cofferdam_vault::{EnvFile, EnvSnapshot, Environment, ProcessEnvironment, Providers, Vault};

use super::{
    AboutGateway, FILE_BYTES_MAX, Gateways, GatewaysProblem,
    declared::{Declared, Origin, Problem},
    environment, file,
    keys::{AttemptKeys, Generations},
    nothing_set,
    plan::{Kind, Plan, Planner},
    servers::{self, Server, ServerPool},
};
use crate::{
    driver::{PoolState, SqlDriver},
    settings::ServerSettings,
    sqlite::{Sqlite, SqliteSettings},
};

/// The gateways of one executor, from its start to its end.
///
/// The settings file is read once. The env file is looked at whenever an attempt starts; the
/// attempt keeps what it saw.
pub struct GatewayKeeper {
    /// As it is named in messages.
    file: String,
    declared: Declared,
    base: PathBuf,
    owner_tag: String,
    env: Env,
    vault: Vault,
    state: Mutex<State>,
}

enum Env {
    /// Looked at again for each attempt.
    File(EnvFile),
    /// Stays as it is.
    Fixed(Arc<EnvSnapshot>),
}

struct State {
    built: Arc<Built>,
    /// The snapshot that was looked at last, valid or not.
    looked_at: u64,
    attempts: u64,
    /// What outlives a change of the settings, by gateway.
    shared: BTreeMap<GatewayName, Shared>,
    generations: BTreeMap<GatewayName, Arc<Generations>>,
}

/// One version of the settings.
struct Built {
    plans: BTreeMap<GatewayName, Plan>,
    default: Option<GatewayName>,
    warnings: Vec<String>,
    vault: Vault,
}

/// What attempts share as long as the settings of a gateway stay.
#[derive(Clone)]
enum Shared {
    Sqlite(SqliteSettings, Arc<Sqlite>),
    Server(Server, ServerSettings, Arc<dyn ServerPool>),
}

impl GatewayKeeper {
    /// Reads the settings: the file, where there is one, the process's environment, and the env
    /// file, where there is one. `owner_tag` names this executor in warehouses.
    pub fn open(
        path: Option<&Path>,
        env_file: Option<&Path>,
        owner_tag: &str,
    ) -> Result<Self, GatewaysProblem> {
        let (file, text, base) = match path {
            None => ("gateways.toml".to_owned(), String::new(), PathBuf::from("/")),
            Some(path) => {
                let file = path.display().to_string();
                let unreadable = |source| GatewaysProblem::Unreadable { file: file.clone(), source };
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                let path = std::path::absolute(path).map_err(unreadable)?;
                let base = path.parent().unwrap_or(Path::new("/")).to_owned();
                (file, text, base)
            }
        };
        let process: Arc<dyn Environment> = Arc::new(ProcessEnvironment);
        let (env, warning) = match env_file {
            None => (Env::Fixed(Arc::new(EnvSnapshot::of_process(process))), None),
            Some(path) => {
                let (env, warning) = EnvFile::open(path.to_owned(), process);
                (Env::File(env), warning)
            }
        };
        let vault = Vault::new(env.look().0);
        Self::new(file, &text, base, owner_tag.to_owned(), env, vault, warning)
    }

    /// Settings of a text alone; `vault` is where references lead.
    pub(super) fn of_text(
        file: &str,
        text: &str,
        base: &Path,
        vault: Vault,
    ) -> Result<Self, GatewaysProblem> {
        let env = Env::Fixed(Arc::new(nothing_set()));
        Self::new(file.to_owned(), text, base.to_owned(), String::new(), env, vault, None)
    }

    fn new(
        file: String,
        text: &str,
        base: PathBuf,
        owner_tag: String,
        env: Env,
        vault: Vault,
        warning: Option<String>,
    ) -> Result<Self, GatewaysProblem> {
        if text.len() > FILE_BYTES_MAX {
            let problem = Problem::new(&Origin::File(1), "the file is over 1 MiB long");
            return Err(said(&file, problem));
        }
        let mut declared = file::read(text, &base).map_err(|problem| said(&file, problem))?;
        let programs = std::mem::take(&mut declared.programs);
        let providers = Arc::new(Providers::new(programs, declared.server.take()));
        let vault = vault.with_providers(providers);
        let snapshot = env.look().0;
        let state = Mutex::new(State {
            built: Arc::new(Built {
                plans: BTreeMap::new(),
                default: None,
                warnings: Vec::new(),
                vault: vault.clone(),
            }),
            looked_at: 0,
            attempts: 0,
            shared: BTreeMap::new(),
            generations: BTreeMap::new(),
        });
        let keeper = Self { file, declared, base, owner_tag, env, vault, state };
        let mut state = keeper.lock();
        keeper.build(&mut state, &snapshot, warning).map_err(|problem| said(&keeper.file, problem))?;
        drop(state);
        Ok(keeper)
    }

    /// The gateways an attempt sees from its start to its end, and warnings that are new.
    pub fn attempt(&self) -> (Gateways, Vec<String>) {
        let mut warnings = Vec::new();
        let mut state = self.lock();
        let (snapshot, warning) = self.env.look();
        warnings.extend(warning);
        if snapshot.serial() != state.looked_at {
            match self.build(&mut state, &snapshot, None) {
                Ok(()) => warnings.extend(state.built.warnings.iter().cloned()),
                Err(problem) => {
                    state.looked_at = snapshot.serial();
                    warnings.push(format!(
                        "the env file is not taken over, the last valid one stays: {}",
                        said(&self.file, problem)
                    ));
                }
            }
        }
        state.attempts += 1;
        let gateways = view(&state);
        (gateways, warnings)
    }

    /// The connections held, by gateway.
    pub fn pools(&self) -> Vec<(GatewayName, Vec<PoolState>)> {
        let gateways = view(&self.lock());
        gateways.drivers.iter().map(|(name, driver)| (name.clone(), driver.pools())).collect()
    }

    fn build(
        &self,
        state: &mut State,
        snapshot: &Arc<EnvSnapshot>,
        warning: Option<String>,
    ) -> Result<(), Problem> {
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let mut declared = self.declared.clone();
        environment::overlay(snapshot, &mut declared, &mut warnings)?;
        let vault = match &self.env {
            Env::File(_) => self.vault.with_environment(Arc::<EnvSnapshot>::clone(snapshot)),
            // Tests look elsewhere for references than for settings.
            Env::Fixed(_) => self.vault.clone(),
        };
        let mut plans = BTreeMap::new();
        let mut shared = BTreeMap::new();
        for (name, section) in &declared.gateways {
            let mut planner = Planner {
                base: &self.base,
                vault: &vault,
                owner_tag: &self.owner_tag,
                warnings: &mut warnings,
            };
            let plan = planner.plan(name.as_str(), section)?;
            let kept = state.shared.get(name);
            let kept = share(&plan, kept, &vault).map_err(|text| Problem::new(&section.at, text))?;
            shared.insert(name.clone(), kept);
            plans.insert(name.clone(), plan);
        }
        let default = match declared.default {
            Some((name, at)) if !plans.contains_key(&name) => {
                return Err(Problem::new(&at, format!("the default gateway `{name}` is not set up")));
            }
            default => default.map(|(name, _)| name),
        };
        for name in plans.keys() {
            state.generations.entry(name.clone()).or_default();
        }
        state.shared = shared;
        state.looked_at = snapshot.serial();
        state.built = Arc::new(Built { plans, default, warnings, vault });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Env {
    fn look(&self) -> (Arc<EnvSnapshot>, Option<String>) {
        match self {
            Self::File(file) => file.look(),
            Self::Fixed(snapshot) => (Arc::clone(snapshot), None),
        }
    }
}

/// What a plan needs, kept where it needs the same as before.
fn share(plan: &Plan, before: Option<&Shared>, vault: &Vault) -> Result<Shared, String> {
    match (&plan.kind, before) {
        (Kind::Sqlite(settings), Some(kept @ Shared::Sqlite(same, _))) if settings == same => {
            Ok(kept.clone())
        }
        (Kind::Server(engine, settings), Some(kept @ Shared::Server(same_engine, same, _)))
            if engine == same_engine && settings == same =>
        {
            Ok(kept.clone())
        }
        (Kind::Sqlite(settings), _) => {
            let driver = Sqlite::new(settings.clone(), vault.clone())?;
            Ok(Shared::Sqlite(settings.clone(), Arc::new(driver)))
        }
        (Kind::Server(engine, settings), _) => {
            let pool = servers::pool(*engine, settings.clone());
            Ok(Shared::Server(*engine, settings.clone(), pool))
        }
    }
}

fn view(state: &State) -> Gateways {
    let built = &state.built;
    let mut gateways =
        Gateways { default: built.default.clone(), warnings: built.warnings.clone(), ..Gateways::default() };
    for (name, plan) in &built.plans {
        let driver: Arc<dyn SqlDriver> = match state.shared.get(name) {
            Some(Shared::Sqlite(_, driver)) => Arc::<Sqlite>::clone(driver),
            Some(Shared::Server(_, _, pool)) => {
                let generations = state.generations.get(name).map(Arc::clone).unwrap_or_default();
                let vault = built.vault.clone();
                let keys = AttemptKeys::new(name.as_str(), &plan.keys, generations, vault, state.attempts);
                let keys = Arc::new(keys);
                gateways.keys.insert(name.clone(), Arc::clone(&keys));
                pool.driver(keys)
            }
            None => continue,
        };
        let modes = match &plan.kind {
            Kind::Sqlite(_) => vec![
                cofferdam_call::Access::Read,
                cofferdam_call::Access::Write,
                cofferdam_call::Access::Admin,
            ],
            Kind::Server(..) => plan.keys.keys().copied().collect(),
        };
        let about = AboutGateway { engine: driver.engine(), modes, origins: plan.origins.clone() };
        gateways.about.insert(name.clone(), about);
        gateways.drivers.insert(name.clone(), driver);
    }
    gateways
}

fn said(file: &str, problem: Problem) -> GatewaysProblem {
    match problem.at {
        Origin::File(line) => GatewaysProblem::Invalid { file: file.to_owned(), line, problem: problem.text },
        Origin::Variable(variable) => GatewaysProblem::Variable { variable, problem: problem.text },
        Origin::EnvFile(variable) => GatewaysProblem::Variable {
            variable: format!("{variable} of the env file"),
            problem: problem.text,
        },
    }
}
