//! Subcommands: `start`, `client create|list|revoke|forget-keys`, `health`.
//!
//! In: arguments and environment. Out: JSON lines on stdout, the log on stderr.
//! Never: prints a secret but the one it has just made. Fails: exit code 1 and the error on stderr.

use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use cofferdam_ids::render;
use cofferdam_scheduler::{
    ClientKind, Config, HealthError, LEASE_TERM_DEFAULT, StartError, TlsFiles, create_client,
    forget_client_keys, list_clients, revoke_client, start,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// How long the health check waits.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The control plane of Cofferdam.
#[derive(Parser)]
#[command(name = "cofferdam-scheduler", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API until SIGTERM or SIGINT.
    Start(Start),
    /// Makes, lists and revokes the clients that may call.
    #[command(subcommand)]
    Client(Client),
    /// Asks whether a scheduler on this machine accepts connections and answers; exit code 0 if so.
    Health {
        /// Where it listens. Spoken to in plain HTTP.
        #[arg(long, env = "COFFERDAM_LISTEN", default_value = "127.0.0.1:7440")]
        listen: SocketAddr,
    },
}

#[derive(Args)]
struct Start {
    /// The folder of the store.
    #[arg(long, env = "COFFERDAM_DATA")]
    data: PathBuf,
    /// Where to listen.
    #[arg(long, env = "COFFERDAM_LISTEN", default_value = "127.0.0.1:7440")]
    listen: SocketAddr,
    /// The key file that dispatches are signed with.
    #[arg(long, env = "COFFERDAM_DISPATCH_KEY")]
    dispatch_key: PathBuf,
    /// Certificate chain in PEM. Without one, only loopback addresses can be listened on.
    #[arg(long, env = "COFFERDAM_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, env = "COFFERDAM_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Seconds a lease holds unless renewed.
    #[arg(long, env = "COFFERDAM_LEASE_TERM_S", default_value_t = LEASE_TERM_DEFAULT.as_secs())]
    lease_term_s: u64,
}

#[derive(Subcommand)]
enum Client {
    /// Makes a client and prints its id and secret as JSON. The secret is not shown again.
    Create {
        /// The folder of the store.
        #[arg(long, env = "COFFERDAM_DATA")]
        data: PathBuf,
        /// What it is for.
        #[arg(long, value_enum)]
        kind: ClientKind,
        /// A name for people.
        #[arg(long)]
        name: String,
        /// Executors that may be enrolled under it, each with a key of its own.
        #[arg(long, default_value_t = 1)]
        keys: u32,
    },
    /// Prints one JSON line for each client.
    List {
        /// The folder of the store.
        #[arg(long, env = "COFFERDAM_DATA")]
        data: PathBuf,
    },
    /// Makes a client's secret and tokens worthless at once.
    Revoke {
        /// The folder of the store.
        #[arg(long, env = "COFFERDAM_DATA")]
        data: PathBuf,
        /// The client.
        id: String,
    },
    /// Forgets the executor keys enrolled under a client, so that new ones can be.
    ForgetKeys {
        /// The folder of the store.
        #[arg(long, env = "COFFERDAM_DATA")]
        data: PathBuf,
        /// The client.
        id: String,
    },
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("COFFERDAM_LOG").unwrap_or_else(|_| "info".into());
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", render(&error));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> Result<(), StartError> {
    match command {
        Command::Start(args) => serve(args).await,
        Command::Health { listen } => Ok(health(listen)?),
        Command::Client(Client::Create { data, kind, name, keys }) => {
            let client = create_client(&data, kind, &name, keys).await?;
            print(&json!({ "client_id": client.client_id, "client_secret": client.client_secret }));
            Ok(())
        }
        Command::Client(Client::List { data }) => {
            list_clients(&data).await?.iter().for_each(|client| print(&json!(client)));
            Ok(())
        }
        Command::Client(Client::Revoke { data, id }) => revoke_client(&data, &id).await,
        Command::Client(Client::ForgetKeys { data, id }) => forget_client_keys(&data, &id).await,
    }
}

async fn serve(args: Start) -> Result<(), StartError> {
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let listen_failed = |source| StartError::Listen { address: args.listen, source };
    // Before the ready line, so that a stop that follows it is never missed.
    let mut terminate = signal(SignalKind::terminate()).map_err(listen_failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listen_failed)?;
    let running = start(Config {
        data: args.data,
        listen: args.listen,
        dispatch_key: args.dispatch_key,
        tls,
        lease_term: Duration::from_secs(args.lease_term_s),
    })
    .await?;
    print(&json!({ "ready": true, "url": running.url() }));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

fn print(value: &serde_json::Value) {
    // Whoever reads may have gone; there is nothing to do about it.
    let _ = writeln!(std::io::stdout(), "{value}");
}

/// One plain request by hand: the scheduler's build has no HTTP client.
fn health(listen: SocketAddr) -> Result<(), HealthError> {
    let failed = |source| HealthError { address: listen, source };
    let mut stream = TcpStream::connect_timeout(&listen, HEALTH_TIMEOUT).map_err(failed)?;
    stream.set_read_timeout(Some(HEALTH_TIMEOUT)).map_err(failed)?;
    let request = "GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).map_err(failed)?;
    let body = answer.split_once("\r\n\r\n").filter(|_| answer.starts_with("HTTP/1.1 200"));
    let (_, body) = body.ok_or_else(|| failed(std::io::Error::other("the answer is not a scheduler's")))?;
    println!("{body}");
    Ok(())
}
