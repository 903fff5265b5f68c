//! What an attempt publishes, no earlier attempt publishes over.

use std::{sync::Barrier, time::Duration};

use cofferdam_call::{Access, FailureKind};
use cofferdam_cap_sql::CancelToken;
use cofferdam_ids::Code;

use crate::house::{Session, gateway, holder, one, open_as, query, reader, run, server, shown, writer};

fn attempt(task: &str, run: u64, fence: u64) -> Session {
    open_as(&gateway("writer"), Access::Write, &CancelToken::default(), holder(task, run, fence)).unwrap()
}

#[test]
fn an_attempt_overtaken_publishes_nothing_by_any_way() {
    run(&mut writer(), "CREATE TABLE overtaken (who TEXT)");
    let (mut old, mut new) = (attempt("overtaken", 1, 1), attempt("overtaken", 1, 2));
    old.begin().unwrap();
    run(&mut old, "INSERT INTO overtaken VALUES ('old')");
    run(&mut new, "INSERT INTO overtaken VALUES ('new')");
    let refusal = old.commit().unwrap_err();
    assert_eq!((refusal.kind, refusal.code), (FailureKind::Cancelled, Code(326)));
    for text in ["INSERT INTO overtaken VALUES ('old')", "DROP TABLE overtaken", "DELETE FROM overtaken"] {
        assert_eq!(old.execute(text, &[]).unwrap_err().code, Code(326), "{text}");
    }
    assert_eq!(one(&mut reader(), "SELECT GROUP_CONCAT(who) FROM overtaken"), "new");
    // Reading on is harmless.
    assert_eq!(one(&mut old, "SELECT COUNT(*) FROM overtaken"), "1");
    run(&mut new, "INSERT INTO overtaken VALUES ('again')");
}

#[test]
fn a_transaction_that_wrote_nothing_asks_no_fence() {
    let (mut old, mut new) = (attempt("quiet", 1, 1), attempt("quiet", 1, 2));
    run(&mut writer(), "CREATE TABLE quiet (a INT)");
    run(&mut new, "INSERT INTO quiet VALUES (1)");
    old.begin().unwrap();
    assert_eq!(one(&mut old, "SELECT COUNT(*) FROM quiet"), "1");
    old.commit().unwrap();
}

#[test]
fn a_step_committed_once_is_not_committed_again_by_a_later_attempt_of_the_run() {
    run(&mut writer(), "CREATE TABLE steps (a INT)");
    let publish = |run_number: u64, fence: u64, step: &str| {
        let mut session = attempt("steps", run_number, fence);
        session.begin().unwrap();
        run(&mut session, "INSERT INTO steps VALUES (1)");
        session.commit_once(step)
    };
    assert_eq!(publish(1, 1, "load; 'x'"), Ok(true));
    assert_eq!(publish(1, 2, "load; 'x'"), Ok(false), "an earlier attempt of the run did it");
    assert_eq!(publish(1, 2, "other"), Ok(true));
    assert_eq!(publish(2, 3, "load; 'x'"), Ok(true), "another run does it anew");
    assert_eq!(publish(1, 2, "late").unwrap_err().code, Code(326));
    assert_eq!(publish(2, 3, "").unwrap_err().code, Code(301));
    assert_eq!(one(&mut reader(), "SELECT COUNT(*) FROM steps"), "3");
    let kept =
        server().sql("SELECT step, fence, `rows` FROM cofferdam.fence WHERE task = 'steps' ORDER BY step");
    assert_eq!(kept, "\t3\t1\nload; 'x'\t3\t1");
}

#[test]
fn statements_that_change_relations_run_outside_of_transactions() {
    let mut session = attempt("shapes", 1, 1);
    run(&mut session, "CREATE TABLE shapes (a INT)");
    session.begin().unwrap();
    run(&mut session, "INSERT INTO shapes VALUES (1)");
    let refusal = session.execute("CREATE TABLE shapes_too (a INT)", &[]).unwrap_err();
    assert_eq!(refusal.code, Code(310), "{refusal}");
    session.rollback().unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM shapes"), "0");
}

#[test]
fn a_missing_fence_is_made_or_asked_for() {
    let mut settings = crate::house::settings(server());
    settings.fence_schema = "fence_elsewhere".to_owned();
    let open = |user: &str| {
        let driver = crate::house::gateway_with(settings.clone(), user);
        open_as(&driver, Access::Write, &CancelToken::default(), holder("made", 1, 1)).unwrap()
    };
    let refusal = open("writer").begin().unwrap_err();
    assert_eq!(refusal.code, Code(327));
    assert!(
        refusal.message.contains("CREATE DATABASE IF NOT EXISTS `fence_elsewhere`; CREATE TABLE"),
        "{refusal}"
    );
    server().sql("CREATE DATABASE fence_elsewhere; GRANT ALL ON fence_elsewhere.* TO writer");
    let mut session = open("writer");
    session.begin().unwrap();
    session.commit().unwrap();
    assert_eq!(server().sql("SELECT COUNT(*) FROM fence_elsewhere.fence"), "0");
}

/// Races of a frozen attempt that wakes up with its successor.
#[test]
fn no_race_of_an_old_attempt_with_its_successor_publishes_stale_rows() {
    const RACES: u64 = 200;
    let mut setup = writer();
    run(&mut setup, "CREATE TABLE race_rows (race INT PRIMARY KEY, fence INT)");
    for race in 0..RACES {
        run(&mut setup, &format!("INSERT INTO race_rows VALUES ({race}, 0)"));
    }
    let (driver, mut stale) = (gateway("writer"), 0);
    for race in 0..RACES {
        let task = format!("race-{race}");
        let go = Barrier::new(2);
        std::thread::scope(|scope| {
            let publish = |fence: u64| {
                let (driver, task, go) = (&driver, &task, &go);
                scope.spawn(move || {
                    let cancel = CancelToken::default();
                    let mut session =
                        open_as(driver, Access::Write, &cancel, holder(task, 1, fence)).unwrap();
                    session.begin().unwrap();
                    go.wait();
                    // Sometimes one is ahead, sometimes the other.
                    std::thread::sleep(Duration::from_micros((race * 37 * fence) % 1500));
                    let text = format!("UPDATE race_rows SET fence = {fence} WHERE race = {race}");
                    session.execute(&text, &[]).and_then(|_| session.commit())
                })
            };
            let (old, new) = (publish(1), publish(2));
            let (old, new) = (old.join().unwrap(), new.join().unwrap());
            new.unwrap_or_else(|e| panic!("the successor publishes always: {e}"));
            stale += u64::from(old.is_err());
        });
    }
    let (_, batches) = query(&mut setup, "SELECT fence FROM race_rows");
    let fences: Vec<_> = batches.iter().map(|batch| shown(batch, 0)).filter(|s| !s.is_empty()).collect();
    assert!(fences.join("\n").lines().all(|fence| fence == "2"), "a stale publish; {stale} were refused");
}

#[test]
fn no_race_of_swaps_publishes_a_stale_table() {
    const RACES: u64 = 120;
    let driver = gateway("writer");
    for race in 0..RACES {
        let (task, live) = (format!("swap-{race}"), format!("swap_{race}"));
        let go = Barrier::new(2);
        let published = std::thread::scope(|scope| {
            let publish = |fence: u64| {
                let (driver, task, live, go) = (&driver, &task, &live, &go);
                scope.spawn(move || {
                    let cancel = CancelToken::default();
                    let mut session =
                        open_as(driver, Access::Write, &cancel, holder(task, 1, fence)).unwrap();
                    // Its own new table each; the swap is what is published. The old attempt built
                    // its table while it still had the fence.
                    let name = format!("{live}_by_{fence}");
                    if fence == 1 {
                        run(&mut session, &format!("CREATE TABLE {name} AS SELECT {fence} AS fence"));
                    }
                    go.wait();
                    if fence == 2 {
                        run(&mut session, &format!("CREATE TABLE {name} AS SELECT {fence} AS fence"));
                    }
                    std::thread::sleep(Duration::from_micros((race * 53 * (3 - fence)) % 2500));
                    run_swap(&mut session, &name, live)
                })
            };
            let (old, new) = (publish(1), publish(2));
            (old.join().unwrap(), new.join().unwrap())
        });
        assert!(published.1, "the successor publishes always");
        assert_eq!(
            one(&mut reader(), &format!("SELECT fence FROM {live}")),
            "2",
            "stale swap; old: {}",
            published.0
        );
    }
}

/// Puts a table in the place of the live one, whether that is there or not.
fn run_swap(session: &mut Session, name: &str, live: &str) -> bool {
    for _ in 0..10 {
        let into = session.execute(&format!("RENAME TABLE {name} TO {live}"), &[]);
        let refusal = match into {
            Ok(_) => return true,
            Err(refusal) => refusal,
        };
        if refusal.code == Code(326) {
            return false;
        }
        let swap = session.execute(&format!("RENAME TABLE {live} TO {live}_was, {name} TO {live}"), &[]);
        match swap {
            Ok(_) => return true,
            Err(refusal) if refusal.code == Code(326) => return false,
            Err(_) => {}
        }
    }
    false
}

#[test]
fn an_attempt_frozen_between_its_look_and_its_effect_holds_its_successor_up() {
    run(&mut writer(), "CREATE TABLE frozen (a INT)");
    // Another connection holds the relation, so the old attempt is inside its ALTER.
    let mut holds = writer();
    holds.begin().unwrap();
    run(&mut holds, "INSERT INTO frozen VALUES (0)");
    let mut old = attempt("frozen", 1, 1);
    let mut new = attempt("frozen", 1, 2);
    std::thread::scope(|scope| {
        let frozen = scope.spawn(move || old.execute("ALTER TABLE frozen ADD COLUMN by_old INT", &[]));
        std::thread::sleep(Duration::from_millis(300));
        let waits = scope.spawn(move || new.execute("INSERT INTO frozen (a) VALUES (2)", &[]));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!frozen.is_finished() && !waits.is_finished());
        holds.commit().unwrap();
        assert!(frozen.join().unwrap().is_ok(), "it had the fence when it looked, and nobody came between");
        assert!(waits.join().unwrap().is_ok());
    });
}
