//! The pool's waiting, with connections that are numbers.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use cofferdam_call::FailureKind;
use cofferdam_ids::Code;

use super::*;

#[derive(Default)]
struct Numbers {
    opened: AtomicUsize,
    refuses: bool,
}

struct Number {
    of: String,
    clean: bool,
}

impl Connect for Numbers {
    type Connection = Number;

    fn connect(
        &self,
        _access: Access,
        credential: &Credential,
        _cancel: &CancelToken,
    ) -> Result<Number, Refusal> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        if self.refuses {
            return Err(refusals::unavailable("the server is not there"));
        }
        Ok(Number { of: credential.user.clone(), clean: true })
    }

    fn reset(&self, connection: &mut Number) -> bool {
        connection.clean
    }
}

fn key(generation: u64) -> Key {
    let credential = Credential { user: format!("u{generation}"), password: None };
    Key { generation, credential: Arc::new(credential) }
}

fn lend(pool: &Arc<Pool<Numbers>>, generation: u64) -> Lent<Numbers> {
    pool.lend(Access::Write, &key(generation), &CancelToken::default()).unwrap()
}

fn counts(pool: &Pool<Numbers>) -> (usize, usize, usize) {
    let state = pool.states().into_iter().find(|s| s.access == Access::Write).unwrap();
    (state.in_use, state.idle, pool.connector().opened.load(Ordering::SeqCst))
}

#[test]
fn a_clean_connection_is_lent_again_and_an_unclean_one_is_closed() {
    let pool = Pool::new(Numbers::default(), 2);
    drop(lend(&pool, 1));
    assert_eq!(counts(&pool), (0, 1, 1));
    let mut again = lend(&pool, 1);
    assert_eq!(counts(&pool), (1, 0, 1));
    again.clean = false;
    drop(again);
    assert_eq!(counts(&pool), (0, 0, 1));
    lend(&pool, 1).discard();
    assert_eq!(counts(&pool), (0, 0, 2));
}

#[test]
fn a_rotation_closes_idle_ones_at_once_and_lent_ones_on_return() {
    let pool = Pool::new(Numbers::default(), 4);
    let old = lend(&pool, 1);
    drop(lend(&pool, 1));
    assert_eq!(counts(&pool), (1, 1, 2));
    let new = lend(&pool, 2);
    assert_eq!((new.of.as_str(), counts(&pool)), ("u2", (2, 0, 3)));
    drop(old);
    assert_eq!(counts(&pool), (1, 0, 3));
    let behind = lend(&pool, 1);
    assert_eq!(behind.of, "u1", "an attempt that began before keeps its own credential");
    drop((behind, new));
    assert_eq!(counts(&pool), (0, 1, 4));
}

#[test]
fn whoever_waits_gets_the_next_one_or_the_reason_of_its_cancel() {
    let pool = Pool::new(Numbers::default(), 1);
    let held = lend(&pool, 1);
    let cancel = CancelToken::default();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.lend(Access::Write, &key(1), &cancel).map(drop));
        cancel.cancel(Refusal::new(FailureKind::Cancelled, Code(411), "stopped"));
        assert_eq!(waiter.join().unwrap().unwrap_err().code, Code(411));
        let patient = scope.spawn(|| drop(lend(&pool, 1)));
        drop(held);
        patient.join().unwrap();
    });
    assert_eq!(counts(&pool), (0, 1, 1));
}

#[test]
fn waiting_ends_where_nothing_comes_free() {
    let pool = Pool::waiting(Numbers::default(), 1, Duration::from_millis(50));
    let _held = lend(&pool, 1);
    let refused = pool.lend(Access::Write, &key(1), &CancelToken::default()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "CD0328: all 1 connections of the gateway's mode `write` are in use, and none came free"
    );
}

#[test]
fn a_mode_does_not_take_from_another() {
    let pool = Pool::new(Numbers::default(), 1);
    let _write = lend(&pool, 1);
    let read = pool.lend(Access::Read, &key(1), &CancelToken::default());
    assert!(read.is_ok());
}

#[test]
fn a_place_is_given_back_where_connecting_fails() {
    let pool = Pool::new(Numbers { refuses: true, ..Numbers::default() }, 1);
    for _ in 0..3 {
        assert!(pool.lend(Access::Write, &key(1), &CancelToken::default()).is_err());
    }
    assert_eq!(counts(&pool), (0, 0, 3));
}

#[test]
fn many_threads_share_few_connections() {
    let pool = Pool::new(Numbers::default(), 3);
    thread::scope(|scope| {
        for n in 0..12 {
            let pool = &pool;
            scope.spawn(move || {
                for turn in 0..200 {
                    let generation = 1 + turn / 50;
                    let lent = lend(pool, generation);
                    assert_eq!(lent.of, format!("u{generation}"), "thread {n}");
                    assert!(pool.states()[0].in_use <= 3);
                }
            });
        }
    });
    assert_eq!(counts(&pool).0, 0);
}
