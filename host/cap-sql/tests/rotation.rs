//! Credentials that change while work goes on, on a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cofferdam_call::Access;
use cofferdam_cap_sql::{CancelToken, GatewayKeeper, Holder, Opening, SessionWall};
use cofferdam_ids::GatewayName;
use cofferdam_servers::{DATABASE, Postgres};

/// Attempts that run side by side.
const WORKERS: usize = 6;
/// Connections of the mode: fewer than workers, so that they wait for each other.
const CONNECTIONS: usize = 4;

/// How long the load lasts: 20 seconds, or `COFFERDAM_TEST_ROTATION_S`.
fn lasts() -> Duration {
    let seconds = std::env::var("COFFERDAM_TEST_ROTATION_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// Gives one of the two roles a new password, and only then tells the executor.
fn rotate(server: &Postgres, env: &Path, turn: u64) {
    let role = if turn.is_multiple_of(2) { "rotating_a" } else { "rotating_b" };
    server.psql(&format!("alter role {role} password 'p-{turn}-canary'"));
    // The password by reference, the user by the gateway's own variable: both are of one version.
    let text = format!("COFFERDAM__GATEWAYS__WH__READ__USER={role}\nWH_PASSWORD='p-{turn}-canary'\n");
    let new = env.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, env).unwrap();
}

#[test]
fn a_credential_that_changes_every_second_under_load_fails_no_attempt() {
    let server = Postgres::start();
    for role in ["rotating_a", "rotating_b"] {
        server.psql(&format!("create role {role} login password 'p-canary'; grant reader to {role}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, env) = (folder.path().join("gateways.toml"), folder.path().join("env"));
    let settings = format!(
        "[gateways.wh]\nengine = \"postgres\"\nhost = \"localhost\"\nport = {}\ndatabase = \"{DATABASE}\"\n\
         schema = \"analytics\"\nca = \"file://{}\"\nconnections = {CONNECTIONS}\n\
         [gateways.wh.read]\npassword = \"env://WH_PASSWORD\"\n",
        server.port(),
        server.ca_file().display(),
    );
    fs::write(&file, settings).unwrap();
    rotate(&server, &env, 0);
    let keeper = GatewayKeeper::open(Some(&file), Some(&env), "0a1b2c3d").unwrap();
    let (done, attempts) = (AtomicBool::new(false), AtomicU64::new(0));
    let roles = Mutex::new(BTreeSet::new());
    let attempt = || {
        let (gateways, _) = keeper.attempt();
        let driver = gateways.get(&GatewayName::new("wh").unwrap()).unwrap();
        let mut seen = None;
        // Two sessions of one attempt, one after the other, log in as the same role.
        for _ in 0..2 {
            let cancel = CancelToken::default();
            let (wall, holder) = (SessionWall::everything(), Holder::operator());
            let mut session =
                driver.open(Opening { access: Access::Read, wall, cancel: &cancel, holder }).unwrap();
            let role = session.peer().role.unwrap();
            let (rows, _) = session.query("select current_user::text, pg_sleep(0.01)::text", &[]).unwrap();
            while session.next_frame(rows, &mut Vec::new()).unwrap().is_some() {}
            assert_eq!(*seen.get_or_insert_with(|| role.clone()), role, "an attempt sees one version");
        }
        roles.lock().unwrap().extend(seen);
        attempts.fetch_add(1, Ordering::Relaxed);
    };
    let mut turns = 0;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        attempt();
                        let pools = keeper.pools();
                        let state = &pools[0].1[0];
                        assert!(state.in_use + state.idle <= CONNECTIONS, "{state:?}");
                    }
                })
            })
            .collect();
        let until = Instant::now() + lasts();
        while Instant::now() < until && !workers.iter().any(|worker| worker.is_finished()) {
            thread::sleep(Duration::from_secs(1));
            turns += 1;
            rotate(&server, &env, turns);
        }
        done.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap();
        }
    });
    attempt();
    assert_eq!(roles.lock().unwrap().len(), 2);
    assert!(attempts.load(Ordering::Relaxed) > turns * 10, "{attempts:?} attempts in {turns} rotations");
    let pools = keeper.pools();
    assert_eq!(pools[0].1[0].generation, turns + 1, "each rotation is a generation");
    assert_eq!(pools[0].1[0].in_use, 0);
    let open =
        "select count(distinct usename) from pg_stat_activity where application_name like 'cofferdam/%'";
    assert_eq!(server.psql(open), "1", "connections of the old credential are closed");
}

#[test]
fn a_password_that_is_wrong_fails_without_being_shown() {
    let server = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateways.toml");
    let env = folder.path().join("env");
    let settings = format!(
        "[gateways.wh]\nengine = \"postgres\"\nhost = \"localhost\"\nport = {}\ndatabase = \"{DATABASE}\"\n\
         ca = \"file://{}\"\n[gateways.wh.read]\nuser = \"reader\"\npassword = \"env://WH_PASSWORD\"\n",
        server.port(),
        server.ca_file().display(),
    );
    fs::write(&file, settings).unwrap();
    fs::write(&env, "WH_PASSWORD=hunter2-canary\n").unwrap();
    let keeper = GatewayKeeper::open(Some(&file), Some(&env), "0a1b2c3d").unwrap();
    let open = |access| {
        let (gateways, _) = keeper.attempt();
        let driver = gateways.get(&GatewayName::new("wh").unwrap()).unwrap();
        let (cancel, holder) = (CancelToken::default(), Holder::operator());
        let opening = Opening { access, wall: SessionWall::everything(), cancel: &cancel, holder };
        driver.open(opening).map(drop).map_err(|refusal| refusal.to_string())
    };
    let refused = open(Access::Read).unwrap_err();
    assert!(refused.starts_with("CD0318") && !refused.contains("canary"), "{refused}");
    assert_eq!(
        open(Access::Write).unwrap_err(),
        "CD0329: gateway `wh` has no credential for `write` on this executor"
    );
    fs::write(&env, "OTHER=x\n").unwrap();
    assert_eq!(
        open(Access::Read).unwrap_err(),
        "CD0329: the credential of gateway `wh` for `read` cannot be had (CD0351)"
    );
    fs::write(&env, format!("WH_PASSWORD={}\n", Postgres::password("reader"))).unwrap();
    assert_eq!(open(Access::Read), Ok(()), "the next attempt sees what was mended");
}
