//! A session as the broker holds it: a thread that owns the connection, asked one thing at a time.
//!
//! Rows that are read frame by frame keep a statement open, and a statement borrows its
//! connection. A thread of its own holds both on its stack.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use cofferdam_call::{Column, Refusal, Value};

use super::{
    actor::{Actor, Answer, Command},
    fence::Fence,
    setup::{self, Files},
    wall::Wall,
};
use crate::{
    cancel::OnCancel,
    driver::{Opening, Peer, RowsId, SqlSession},
    refusals,
    turn::WriteTurn,
};

/// Bytes of the thread's stack: the engine's parser goes deep on long expressions.
const STACK_BYTES: usize = 4 << 20;
/// Steps of the engine between two looks whether the attempt was cancelled: about a millisecond.
const STEPS_PER_LOOK: i32 = 20_000;

pub(super) struct Session {
    commands: Option<SyncSender<Command>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    _on_cancel: OnCancel,
}

impl Session {
    pub(super) fn start(files: &Files, opening: Opening<'_>, turn: Arc<WriteTurn>) -> Result<Self, Refusal> {
        let Opening { access, wall: rules, cancel, holder } = opening;
        let connection = setup::connect(files, access).map_err(|_| setup::cannot_open())?;
        let wall = Wall::new(rules, access);
        let judge = Arc::clone(&wall);
        connection
            .authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| judge.judge(&context)))
            .map_err(|_| setup::cannot_open())?;
        // `interrupt` alone would miss a statement that starts a moment later.
        let look = cancel.clone();
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || look.is_cancelled()))
            .map_err(|_| setup::cannot_open())?;
        let interrupt = connection.get_interrupt_handle();
        let on_cancel = cancel.on_cancel(move || interrupt.interrupt());

        let (commands, received) = sync_channel(0);
        let (answer, answers) = sync_channel(1);
        let actor = Actor::new(wall, access, cancel.clone(), turn, Fence::of(holder));
        let thread = std::thread::Builder::new()
            .name("sqlite-session".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || actor.run(&connection, &received, &answer))
            .map_err(|_| refusals::unavailable("no thread can be started for the session"))?;
        Ok(Self { commands: Some(commands), answers, thread: Some(thread), _on_cancel: on_cancel })
    }

    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        let sent = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        let answer = if sent { self.answers.recv().ok() } else { None };
        match answer {
            Some(Answer::Failed(refusal)) => Err(refusal),
            Some(answer) => Ok(answer),
            None => Err(refusals::unavailable("the session has ended")),
        }
    }

    fn count(&mut self, command: Command) -> Result<u64, Refusal> {
        match self.ask(command)? {
            Answer::Count(count) => Ok(count),
            _ => Ok(0),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Without the sender the thread ends; its connection rolls back what was not committed.
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl SqlSession for Session {
    fn peer(&self) -> Peer {
        Peer::default()
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal> {
        let command = Command::Query { statement: statement.to_owned(), values: values.to_vec() };
        match self.ask(command)? {
            Answer::Rows(rows, columns) => Ok((rows, columns)),
            _ => Err(refusals::unavailable("the session has ended")),
        }
    }

    fn next_frame(&mut self, rows: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal> {
        match self.ask(Command::Next(rows))? {
            Answer::Frame(bytes, count) => {
                if frame.is_empty() {
                    *frame = bytes;
                } else {
                    frame.extend_from_slice(&bytes);
                }
                Ok(Some(count))
            }
            _ => Ok(None),
        }
    }

    fn close_rows(&mut self, rows: RowsId) {
        // A session that has ended holds no rows.
        let _ = self.ask(Command::CloseRows(rows));
    }

    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, Refusal> {
        self.count(Command::Execute { statement: statement.to_owned(), values: values.to_vec() })
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        self.ask(Command::Begin).map(drop)
    }

    fn commit(&mut self) -> Result<(), Refusal> {
        self.ask(Command::Commit).map(drop)
    }

    fn commit_once(&mut self, step: &str) -> Result<bool, Refusal> {
        match self.ask(Command::CommitOnce(step.to_owned()))? {
            Answer::Committed(published) => Ok(published),
            _ => Err(refusals::unavailable("the session has ended")),
        }
    }

    fn rollback(&mut self) -> Result<(), Refusal> {
        self.ask(Command::Rollback).map(drop)
    }

    fn load(&mut self, table: &[String], columns: &[Column]) -> Result<(), Refusal> {
        self.ask(Command::Load { table: table.to_vec(), columns: columns.to_vec() }).map(drop)
    }

    fn load_write(&mut self, frame: &[u8]) -> Result<(), Refusal> {
        self.ask(Command::LoadWrite(frame.to_vec())).map(drop)
    }

    fn load_finish(&mut self) -> Result<u64, Refusal> {
        self.count(Command::LoadFinish)
    }

    fn load_abandon(&mut self) {
        // A session that has ended has undone it.
        let _ = self.ask(Command::LoadAbandon);
    }
}
