//! The fence of a SQLite gateway: which attempt publishes, and that guests cannot meddle.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use cofferdam_call::{Access, Column, DataType, Refusal};
use cofferdam_cap_sql::{
    CancelToken, Holder, Opening, Place, SessionWall, SqlDriver, SqlSession, Sqlite, SqliteSettings,
};
use cofferdam_ids::{Fence, RunId, TaskId};
use cofferdam_vault::Vault;

struct House {
    folder: tempfile::TempDir,
    driver: Arc<Sqlite>,
}

type Session = Box<dyn SqlSession>;

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Known(folder.path().join("wh.db"));
        let settings = SqliteSettings { place, schemas: vec!["marts".to_owned()] };
        let driver = Arc::new(Sqlite::new(settings, Vault::default()).unwrap());
        let house = Self { folder, driver };
        house.operator().execute("create table marts.t (x integer)", &[]).unwrap();
        house
    }

    fn operator(&self) -> Session {
        self.open(Holder::operator())
    }

    fn attempt(&self, run: &str, fence: u64) -> Session {
        self.open(Holder {
            run: RunId::new(format!("run_{run}")).unwrap(),
            task: TaskId::new("model.t").unwrap(),
            fence: Fence(fence),
            ..Holder::operator()
        })
    }

    fn open(&self, holder: Holder) -> Session {
        let (wall, cancel) = (SessionWall::everything(), &CancelToken::default());
        self.driver.open(Opening { access: Access::Write, wall, cancel, holder }).unwrap()
    }

    fn rows(&self) -> u64 {
        // An update that changes nothing tells how many rows there are.
        self.operator().execute("update marts.t set x = x", &[]).unwrap()
    }
}

fn write(session: &mut Session) -> Result<u64, Refusal> {
    session.execute("insert into marts.t values (1)", &[])
}

fn code<T>(result: Result<T, Refusal>) -> String {
    result.err().map_or_else(|| "none".to_owned(), |refusal| refusal.code.to_string())
}

#[test]
fn a_frozen_attempt_that_wakes_up_publishes_nothing() {
    let house = House::new();
    let mut frozen = house.attempt("a", 5);
    let mut later = house.attempt("a", 6);
    later.begin().unwrap();
    write(&mut later).unwrap();
    later.commit().unwrap();

    frozen.begin().unwrap();
    write(&mut frozen).unwrap();
    assert_eq!(code(frozen.commit()), "CD0326");
    assert_eq!(code(frozen.commit()), "CD0310", "its transaction is over");
    assert_eq!(code(write(&mut frozen)), "CD0326", "nor a statement that stands alone");
    assert_eq!(code(frozen.query("insert into marts.t values (1) returning x", &[])), "CD0326");
    let column = Column { name: "x".to_owned(), data_type: DataType::Int64, nullable: true };
    frozen.load(&["marts".to_owned(), "t".to_owned()], &[column]).unwrap();
    assert_eq!(code(frozen.load_finish()), "CD0326", "nor a load");
    frozen.begin().unwrap();
    write(&mut frozen).unwrap();
    assert_eq!(code(frozen.commit_once("t")), "CD0326", "nor a step");
    assert_eq!(house.rows(), 1);
}

#[test]
fn a_later_attempt_and_another_task_publish() {
    let house = House::new();
    for fence in [5, 5, 6] {
        write(&mut house.attempt("a", fence)).unwrap();
    }
    let task = TaskId::new("model.other").unwrap();
    let mut other = house.open(Holder { task, fence: Fence(1), ..Holder::operator() });
    write(&mut other).unwrap();
    let (rows, _) = house.attempt("a", 6).query("insert into marts.t values (1) returning x", &[]).unwrap();
    assert_eq!((rows.0, house.rows()), (1, 5));
}

#[test]
fn reading_and_rolling_back_raise_no_fence() {
    let house = House::new();
    let mut later = house.attempt("a", 9);
    later.begin().unwrap();
    write(&mut later).unwrap();
    later.rollback().unwrap();
    later.begin().unwrap();
    later.query("select count(*) from marts.t", &[]).unwrap();
    later.commit().unwrap();
    assert_eq!(code(write(&mut house.attempt("a", 5))), "none");
}

#[test]
fn a_step_is_committed_once_in_a_run() {
    let house = House::new();
    let publish = |run: &str, fence: u64| {
        let mut session = house.attempt(run, fence);
        session.begin().unwrap();
        write(&mut session).unwrap();
        let published = session.commit_once("t");
        assert_eq!(code(session.commit()), "CD0310", "its transaction is over");
        published
    };
    assert!(publish("a", 5).unwrap());
    assert!(publish("a", 5).unwrap(), "the same attempt may repeat what it did");
    assert!(!publish("a", 6).unwrap(), "its successor finds it done");
    assert_eq!(house.rows(), 2);
    assert_eq!(code(publish("a", 5)), "CD0326", "the successor has the fence now");
    assert!(publish("b", 7).unwrap(), "another run does its own work");
    assert_eq!(house.rows(), 3);
}

#[test]
fn no_guest_reads_or_changes_the_fence() {
    let house = House::new();
    let mut guest = house.attempt("a", 1);
    for statement in [
        "delete from cofferdam_fence",
        "update main.Cofferdam_Fence set fence = 0",
        "insert into cofferdam_fence (project, task, step, run, fence) values ('', '', '', '', 1)",
        "drop table cofferdam_fence",
        "create index i on cofferdam_fence (fence)",
        "alter table cofferdam_fence rename to t",
        "alter table cofferdam_fence add column x",
        "create table marts.cofferdam_fence (x)",
        "insert into marts.t select fence from cofferdam_fence",
        "insert into marts.t select count(*) from cofferdam_fence",
    ] {
        assert_eq!(code(guest.execute(statement, &[])), "CD0304", "{statement}");
    }
    for query in ["select fence from cofferdam_fence", "select count(*) from cofferdam_fence"] {
        assert_eq!(code(guest.query(query, &[])), "CD0304", "{query}");
    }
}

#[test]
fn inspecting_says_what_is_right_and_what_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let folder = house.folder.path();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    let told = || {
        let findings = house.driver.inspect(Access::Read).into_iter();
        findings.map(|f| format!("{:?} {}", f.verdict, f.text)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(),
        ["Good the files of `main`, `marts` can be opened", "Good the fence's table is there"]
    );
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(folder.join("wh.db"), PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(folder.join("wh.marts.db"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(
        told()[2],
        "Weak other users of this machine can reach the file of `main`: take their rights to it or to its \
         folder (mode 0700)"
    );
    assert_eq!(told().len(), 3);
}
