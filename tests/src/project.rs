//! A project made for a test: a few declared tasks, no loader.

use std::fmt::Write as _;

/// One task of a test's project.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// The plugin that runs it.
    pub plugin: String,
    /// The plugin's entry.
    pub entry: String,
    /// What must have succeeded before.
    pub needs: Vec<String>,
    /// The gateway.
    pub gateway: String,
    /// Milliseconds on the wall clock.
    pub wall_ms: u64,
    /// Bytes of memory.
    pub mem_bytes: u64,
    /// Attempts in all.
    pub attempts: u32,
    /// Settings as TOML: `name = value` lines.
    pub settings: Vec<(String, String)>,
    /// What it asks to read.
    pub reads: Vec<String>,
    /// What it asks to write.
    pub writes: Vec<String>,
}

impl Task {
    /// A task of the hostile plugin, once, for ten seconds, with 32 MiB.
    pub fn hostile(id: &str, entry: &str) -> Self {
        Self {
            id: id.to_owned(),
            plugin: "hostile-task".to_owned(),
            entry: entry.to_owned(),
            needs: Vec::new(),
            gateway: "wh".to_owned(),
            wall_ms: 10_000,
            mem_bytes: 32 << 20,
            attempts: 1,
            settings: Vec::new(),
            reads: vec!["allowed.*".to_owned()],
            writes: vec!["allowed.*".to_owned()],
        }
    }

    /// A task that runs one statement file of the release.
    pub fn sql(id: &str, statement: &str) -> Self {
        let settings = vec![("statement".to_owned(), format!("{statement:?}"))];
        Self { plugin: "task-sql".to_owned(), entry: "run".to_owned(), settings, ..Self::hostile(id, "") }
    }

    /// The same with other needs.
    #[must_use]
    pub fn needing(mut self, needs: &[&str]) -> Self {
        self.needs = needs.iter().map(|n| (*n).to_owned()).collect();
        self
    }
}

/// The files of a test's project.
#[derive(Clone, Debug, Default)]
pub struct ProjectFiles {
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// More files: path and text.
    pub files: Vec<(String, String)>,
    /// The adapter behind gateway `wh`.
    pub adapter: Option<String>,
    /// What stands under `[gateways.wh]`; SQLite where nothing does.
    pub gateway: Option<String>,
    /// Another name for gateway `wh`; the tasks have to ask for it.
    pub gateway_name: Option<String>,
}

impl ProjectFiles {
    /// A project of tasks.
    pub fn of(tasks: Vec<Task>) -> Self {
        Self { tasks, ..Self::default() }
    }

    /// The same with one more file.
    #[must_use]
    pub fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    fn gateway_name(&self) -> &str {
        self.gateway_name.as_deref().unwrap_or("wh")
    }

    /// `cofferdam.toml`.
    pub fn manifest(&self) -> String {
        let adapter = self.adapter.as_deref().unwrap_or("adapter-sqlite");
        let gateway = self.gateway_name();
        let mut text = format!("[project]\nname = \"proof\"\ngateway = {gateway:?}\n\n[plugins]\n");
        let mut plugins: Vec<&str> = self.tasks.iter().map(|t| t.plugin.as_str()).collect();
        plugins.push(adapter);
        plugins.sort_unstable();
        plugins.dedup();
        for plugin in plugins {
            let _ = writeln!(text, "{plugin} = {plugin:?}");
        }
        let _ = write!(
            text,
            "\n[gateways]\n{gateway} = {adapter:?}\n\n[[job]]\nname = \"all\"\nselect = [\"*\"]\n"
        );
        for task in &self.tasks {
            let _ = write!(
                text,
                "\n[[task]]\nid = {:?}\nplugin = {:?}\nentry = {:?}\nneeds = {:?}\ngateway = {:?}\nreads = {:?}\nwrites = {:?}\n\
                 limits = {{ wall_ms = {}, mem_bytes = {}, log_bytes = 65536 }}\n\
                 retry = {{ attempts = {}, backoff_min_s = 1, backoff_max_s = 2 }}\n",
                task.id,
                task.plugin,
                task.entry,
                task.needs,
                task.gateway,
                task.reads,
                task.writes,
                task.wall_ms,
                task.mem_bytes,
                task.attempts,
            );
            if !task.settings.is_empty() {
                let pairs: Vec<String> = task.settings.iter().map(|(n, v)| format!("{n} = {v}")).collect();
                let _ = writeln!(text, "settings = {{ {} }}", pairs.join(", "));
            }
        }
        text
    }

    /// `gateways.toml`.
    pub fn gateways(&self) -> String {
        let sqlite =
            "engine = \"sqlite\"\npath = \"warehouse/warehouse.db\"\nschemas = [\"allowed\", \"secret\"]\n";
        let name = self.gateway_name();
        format!("default = {name:?}\n\n[gateways.{name}]\n{}", self.gateway.as_deref().unwrap_or(sqlite))
    }

    /// A grant for everything such a project may do: schema `allowed`, not `secret`.
    pub fn grant(&self, project: &str, plugins: &[String]) -> String {
        format!(
            "grant_format = 1\nid = \"proof\"\nowner = \"tests\"\nreason = \"a test\"\nexpires = 2099-01-01\n\
             require_confinement = []\n\n[subject]\nproject = \"{project}\"\ntasks = [\"*\"]\nplugins = {plugins:?}\nroles = [\"run\"]\n\n\
             [[sql]]\ngateway = {:?}\nmode = \"write\"\nstatements = \"parsed\"\nreads = [\"allowed.*\"]\nwrites = [\"allowed.*\"]\nmax_rows = 100000\n\n\
             [[files]]\nprefixes = [\"\"]\n\n[telemetry]\nlog = true\n\n[report]\nto_scheduler = [\"duration_s\", \"rows_affected\"]\n\n\
             [limits]\nwall_ms = 60000\nmem_bytes = 67108864\nlog_bytes = 65536\n",
            self.gateway_name()
        )
    }
}
