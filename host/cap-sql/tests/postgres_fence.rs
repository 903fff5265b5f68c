//! Who may publish, when one attempt wakes up beside its successor.

#![allow(clippy::unwrap_used, reason = "tests")]

mod pg_house;

use std::sync::{Arc, Barrier};

use cofferdam_call::{Access, FailureKind};
use cofferdam_cap_sql::{CancelToken, Postgres, SqlSession};
use pg_house::{SERVER, credential, driver, driver_with, holder, one, open, open_as, read, settings};

fn session(driver: &Postgres, task: &str, run: u64, fence: u64) -> Box<dyn SqlSession> {
    open_as(driver, Access::Write, &CancelToken::default(), holder(task, run, fence)).unwrap()
}

#[test]
fn an_attempt_that_was_overtaken_publishes_nothing() {
    let driver = driver("writer");
    let mut early = session(&driver, "overtaken", 1, 10);
    let mut late = session(&driver, "overtaken", 1, 11);
    early.execute("create table overtaken (by int)", &[]).unwrap();

    early.begin().unwrap();
    early.execute("insert into overtaken values (10)", &[]).unwrap();
    late.begin().unwrap();
    late.execute("insert into overtaken values (11)", &[]).unwrap();
    late.commit().unwrap();
    let stale = early.commit().unwrap_err();
    assert_eq!(
        stale.to_string(),
        "CD0326: a later attempt of this task has the fence; what this one did was rolled back"
    );
    assert_eq!(stale.kind, FailureKind::Cancelled);
    let single = early.execute("insert into overtaken values (10)", &[]).unwrap_err();
    assert_eq!(single.code, stale.code, "nor statement by statement");
    let returning = read(&mut *early, "insert into overtaken values (10) returning by", &[]).err().unwrap();
    assert_eq!(returning.code, stale.code, "nor by a query that writes");
    let shape = early.execute("create table overtaken_more (n int)", &[]).unwrap_err();
    assert_eq!(shape.code, stale.code, "nor the warehouse's shape");
    assert!(early.execute("vacuum overtaken", &[]).is_err(), "nor outside of a transaction");
    assert_eq!(
        one(&mut *early, "select string_agg(by::text, ' ') from overtaken"),
        "11",
        "it may still read"
    );
    late.execute("vacuum overtaken", &[]).unwrap();
    let mut other = session(&driver, "another-task", 1, 1);
    other.execute("insert into overtaken values (1)", &[]).unwrap();
}

#[test]
fn a_step_is_committed_once_in_a_run() {
    let driver = driver("writer");
    let mut first = session(&driver, "steps", 1, 20);
    first.execute("create table steps (by int)", &[]).unwrap();
    let step = |session: &mut dyn SqlSession, by: u64| {
        session.begin().unwrap();
        session.execute(&format!("insert into steps values ({by})"), &[]).unwrap();
        session.commit_once("publish")
    };
    assert_eq!(step(&mut *first, 20), Ok(true));
    let mut second = session(&driver, "steps", 1, 21);
    assert_eq!(step(&mut *second, 21), Ok(false), "the first attempt has published");
    let mut next_run = session(&driver, "steps", 2, 22);
    assert_eq!(step(&mut *next_run, 22), Ok(true));
    assert_eq!(one(&mut *next_run, "select string_agg(by::text, ' ' order by by) from steps"), "20 22");
    let kept = "select count(*) from cofferdam.fence where task = 'steps' and step <> ''";
    assert_eq!(SERVER.psql(kept), "1", "steps of runs that are over are forgotten");
    next_run.begin().unwrap();
    assert!(next_run.commit_once("").is_err());
    next_run.rollback().unwrap();
}

#[test]
fn a_thousand_races_publish_nothing_stale() {
    let driver = Arc::new(driver("writer"));
    let mut referee = open(&driver, Access::Write, &CancelToken::default());
    referee.execute("create table races (fence int)", &[]).unwrap();
    let gate = Arc::new(Barrier::new(3));
    let racers: Vec<_> = (0..2_u64)
        .map(|racer| {
            let (driver, gate) = (Arc::clone(&driver), Arc::clone(&gate));
            std::thread::spawn(move || {
                for race in 0..1_000_u64 {
                    let fence = 2 * race + 1 + racer;
                    let mut session = session(&driver, "race", 1, fence);
                    session.begin().unwrap();
                    session.execute(&format!("insert into races values ({fence})"), &[]).unwrap();
                    gate.wait();
                    let committed = session.commit();
                    if let Err(refusal) = &committed {
                        assert_eq!((racer, refusal.code.0), (0, 326), "{refusal}");
                    }
                    gate.wait();
                }
            })
        })
        .collect();
    let (mut both, mut lost) = (0, 0);
    let mut highest = 0;
    for race in 0..1_000_i64 {
        gate.wait();
        gate.wait();
        let kept = one(
            &mut *referee,
            &format!(
                "select coalesce(string_agg(fence::text, ' ' order by ctid), '') from races where fence > {}",
                2 * race
            ),
        );
        let kept: Vec<i64> = kept.split(' ').map(|n| n.parse().unwrap()).collect();
        // The later attempt always publishes; the earlier one only before it.
        assert!(kept.contains(&(2 * race + 2)), "race {race}: {kept:?}");
        if kept.len() == 2 {
            both += 1
        } else {
            lost += 1
        }
        assert!(kept.iter().all(|fence| *fence > highest));
        highest = 2 * race + 2;
    }
    for racer in racers {
        racer.join().unwrap();
    }
    let stale = "select count(*) from analytics.races a where exists (select from cofferdam.fence f where f.task = 'race' and f.fence < a.fence)";
    assert_eq!(SERVER.psql(stale), "0");
    assert_eq!(both + lost, 1_000);
    assert!(lost > 0, "no race was lost: they were none");
}

#[test]
fn a_frozen_attempt_that_wakes_up_a_thousand_times_publishes_nothing() {
    let driver = driver("writer");
    let mut early = session(&driver, "frozen", 1, 1);
    early.execute("create table frozen (fence int)", &[]).unwrap();
    for race in 1..=1_000 {
        let mut frozen = session(&driver, "frozen", 1, 2 * race);
        frozen.begin().unwrap();
        frozen.execute(&format!("insert into frozen values ({})", 2 * race), &[]).unwrap();
        let mut successor = session(&driver, "frozen", 1, 2 * race + 1);
        successor.execute("insert into frozen values (0)", &[]).unwrap();
        assert_eq!(frozen.commit().unwrap_err().code.0, 326);
    }
    assert_eq!(SERVER.psql("select count(*) from analytics.frozen where fence > 0"), "0");
}

#[test]
fn a_role_that_may_not_make_the_table_is_told_what_an_administrator_runs() {
    SERVER.psql(
        "create role bound login password 'canary-bound'; grant usage, create on schema analytics to bound",
    );
    let mut settings = settings(&SERVER);
    settings.fence_schema = "walled".to_owned();
    let driver = driver_with(settings, credential("bound"));
    let mut session = session(&driver, "bound", 1, 1);
    assert_eq!(one(&mut *session, "select 1"), "1", "reading needs no fence");
    let refusal = session.execute("create table bound_made (n int)", &[]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "CD0327: the fence has no table the gateway's role may write, so nothing is made to last. A database \
         administrator runs once: create schema if not exists \"walled\" authorization \"bound\"; create table if \
         not exists \"walled\".fence (project text, task text, step text, run text not null, fence bigint not null, \
         rows bigint, at timestamptz not null default now(), primary key (project, task, step)); alter table \
         \"walled\".fence owner to \"bound\""
    );
    assert_eq!(SERVER.psql("select to_regclass('analytics.bound_made') is null"), "t");
    let (_, statements) = refusal.message.split_once("runs once: ").unwrap();
    SERVER.psql(statements);
    session.execute("create table bound_made (n int)", &[]).unwrap();
}
