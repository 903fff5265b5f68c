//! Runs one node: builds a model, loads a seed, keeps a history, counts what a test finds.
//!
//! In: the invocation, the node's document, the macros it may call, a warehouse.
//! Out: what was done, one line of it, and small files beside the log: the statement, the result.
//! Never: reads another node's file; names a relation that the release did not foresee; leaves half
//! of a node behind where the warehouse makes relations inside transactions.
//! Fails: with the node's name and file, and the line where it is known.
//! Source: `wit/task/task.wit`; dbt's materializations.

mod ask;
mod build;
mod catalog;
mod chosen;
mod columns;
mod compile;
mod database;
mod fixtures;
mod freshness;
mod locate;
mod manifest;
mod memory;
mod microbatch;
mod operation;
mod portable;
mod result;
mod results;
mod seed;
mod show;
mod split;
mod test;
mod unit;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use cofferdam_sdk::{Access, Context, Failure, Invocation, Level, Outcome, TaskFailure};
use serde_json::Value as Json;

use crate::builtin;
use crate::codes;
use crate::document::{Document, MacroFile};
use crate::jinja::world::Quoting;
use crate::jinja::{Engine, Library, RenderError};
use ask::{Ask, Command};
use database::Warehouse;
use result::Report;
use wire::Wire;
use world::{Around, Scene};

/// One attempt at a node.
pub(crate) struct Run<'a> {
    cx: &'a Context<'a>,
    invocation: &'a Invocation,
    document: &'a Document,
    ask: &'a Ask,
    mysql: bool,
}

/// Does the work of one node.
///
/// # Errors
/// Where a template cannot be rendered, the warehouse refuses, or a test finds rows.
pub(crate) fn run(cx: &Context<'_>, invocation: &Invocation) -> Result<Outcome, TaskFailure> {
    // An attempt's memory goes as a whole at its end; what is large is not taken apart before.
    let document = ManuallyDrop::new(Document::read(cx.files, invocation)?);
    let ask = Ask::read(invocation, &document.shared.project.vars)?;
    let mysql = document.shared.target.is_mysql();
    let run = Run { cx, invocation, document: &document, ask: &ask, mysql };
    let mut report = Report::begun(&document);
    let done = run.done(&mut report);
    report.end(&done);
    // What is kept is for reading; an attempt does not fail by it.
    if let Err(why) = report.keep(cx.telemetry) {
        cx.telemetry.log(Level::Warn, &format!("{}: what was done is not kept: {why}", run.who()));
    }
    done
}

impl Run<'_> {
    fn done(&self, report: &mut Report) -> Result<Outcome, TaskFailure> {
        let engine = ManuallyDrop::new(Engine::new(Arc::new(self.library()?)));
        let quoting = self.quoting();
        let wire = Wire::new(
            *self.cx,
            self.invocation.gateway.as_deref(),
            self.access(),
            self.document.shared.target.dialect(),
        );
        let warehouse = Warehouse::new(wire, quoting);
        let scene = Scene {
            files: self.cx.files,
            telemetry: self.cx.telemetry,
            engine: &engine,
            warehouse: &warehouse,
            ask: self.ask,
            run: self.ask.invocation.as_deref().unwrap_or(&self.invocation.run),
            started_at: &self.invocation.started_at,
            quoting,
        };
        let around = Around::new(&scene, self.document);
        around.recall(self.recalled()?);
        let done = self.entry(&around, report);
        self.remember(&around, report);
        if done.is_err() {
            // The first failure says why.
            let _ = warehouse.wire.rollback();
        }
        report.compiled = report.compiled.take().or_else(|| around.compiled.borrow().clone());
        report.written = report.written.take().or_else(|| around.written.borrow().clone());
        done
    }

    fn entry(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        self.comment(around)?;
        match (self.ask.command, self.invocation.entry.as_str()) {
            (Command::Compile, _) => self.only_compile(around, report),
            (Command::Show, _) => self.show(around, report),
            (Command::Catalog, _) => self.catalog(around, report),
            (Command::Run, "seed") => self.seed(around, report),
            (Command::Run, "test") => self.test(around, report),
            (Command::Run, "unit_test") => self.unit_test(around, report),
            (Command::Run, "operation") => self.operation(around, report),
            (Command::Run, "freshness" | "source") => self.freshness(around, report),
            (Command::Run, "analysis") => self.only_compile(around, report),
            (Command::Run, _) => self.build(around, report),
        }
    }

    /// The macros of the component and those the node may call.
    fn library(&self) -> Result<Library, TaskFailure> {
        let shared = &self.document.shared;
        let mut library = Library::new(&shared.project.name, &shared.target.kind);
        for entry in &shared.project.dispatch {
            library.dispatch(&entry.macro_namespace, entry.search_order.clone());
        }
        let mut problems = Vec::new();
        // The first of two macros of one name counts: what a unit test overrides comes before all.
        let overridden = match self.invocation.entry.as_str() {
            "unit_test" => unit::overrides(self.document),
            _ => Vec::new(),
        };
        for (package, text) in &overridden {
            problems.extend(library.add(package, "overrides", text));
        }
        library.shelve(builtin::BLOCKS);
        let mut files = BTreeMap::new();
        macro_files(self.document, &mut files);
        for file in files.into_values() {
            let text = self.cx.files.read_text(&file.file);
            let text = text.map_err(|why| TaskFailure::from(why).context(&self.who()))?;
            problems.extend(library.add(&file.package, &file.file, &text));
        }
        self.sound(if overridden.is_empty() { problems } else { Vec::new() })?;
        Ok(library)
    }

    fn sound(&self, problems: Vec<crate::jinja::library::SourceProblem>) -> Result<(), TaskFailure> {
        match problems.first() {
            None => Ok(()),
            Some(why) => {
                let message = format!("{} ({}:{}): {}", self.who(), why.path, why.line, why.message);
                Err(TaskFailure::permanent(codes::RENDER, message))
            }
        }
    }

    fn quoting(&self) -> Quoting {
        let told = |part: &str| {
            let told = self.document.shared.project.quoting.get(part);
            told.and_then(Json::as_bool).unwrap_or(true)
        };
        let mark = if self.mysql { '`' } else { '"' };
        Quoting { database: told("database"), schema: told("schema"), identifier: told("identifier"), mark }
    }

    /// How far the session may go: as far as the node asked for. What only looks, reads.
    fn access(&self) -> Access {
        let entry = self.invocation.entry.as_str();
        if self.ask.command != Command::Run || matches!(entry, "freshness" | "source" | "analysis") {
            return Access::Read;
        }
        match self.invocation.setting::<String>("mode").ok().flatten().as_deref() {
            Some("admin") => Access::Admin,
            Some("read") if !self.stores_failures() => Access::Read,
            _ => Access::Write,
        }
    }

    /// Puts the project's comment to every statement.
    fn comment(&self, around: &Around<'_>) -> Result<(), TaskFailure> {
        let told = &self.document.shared.project.query_comment;
        let (text, append) = match told {
            Json::String(text) => (text.as_str(), false),
            Json::Object(map) => (
                map.get("comment").and_then(Json::as_str).unwrap_or_default(),
                map.get("append").and_then(Json::as_bool).unwrap_or(false),
            ),
            _ => return Ok(()),
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        let package = &self.document.shared.project.name;
        let comment = around
            .with(|| around.scene.engine.render(package, "dbt_project.yml", text, around))
            .map_err(|why| self.render_failure(&why))?;
        let comment = comment.trim();
        if comment.contains("*/") {
            let message = format!("{}: `query-comment` may not contain `*/`: {comment}", self.who());
            return Err(TaskFailure::permanent(codes::RENDER, message));
        }
        if !comment.is_empty() {
            *around.scene.warehouse.wire.comment.borrow_mut() = Some((comment.to_owned(), append));
        }
        Ok(())
    }

    /// Makes the statement and keeps it.
    fn only_compile(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        if self.document.node.resource_type() == "test" {
            self.test_arguments(around)?;
        }
        self.compile(around)?;
        report.message = "compiled".to_owned();
        Ok(self.outcome(None, "compiled"))
    }

    fn outcome(&self, rows: Option<u64>, what: &str) -> Outcome {
        Outcome { rows_affected: rows, summary: format!("{}: {what}", self.document.node.name()) }
    }

    /// `model `stg_flights` (models/staging/stg_flights.sql)`: how every failure begins.
    fn who(&self) -> String {
        let node = &self.document.node;
        let kind = match node.resource_type() {
            "" => "node",
            "unit_test" => "unit test",
            kind => kind,
        };
        let path =
            if self.document.file.is_empty() { node.original_file_path() } else { &self.document.file };
        format!("{kind} `{}` ({path})", node.name())
    }

    /// A template's failure; the warehouse's own where it ended the rendering.
    fn render_failure(&self, why: &RenderError) -> TaskFailure {
        TaskFailure::permanent(why.code(), format!("{}: {why}", self.who()))
    }

    /// As [`Run::render_failure`], for renderings that speak to the warehouse.
    fn failure(&self, around: &Around<'_>, why: &RenderError) -> TaskFailure {
        match around.scene.warehouse.wire.last_failure.borrow_mut().take() {
            Some(failure) if why.to_string().contains(&failure.detail().message) => {
                self.sql_failure(around, failure)
            }
            _ => self.render_failure(why),
        }
    }

    /// A failure of the warehouse, with the node's name, its file, and the line where the warehouse
    /// names something that stands on one.
    fn sql_failure(&self, around: &Around<'_>, why: Failure) -> TaskFailure {
        let node = &around.document.node;
        let mut who = self.who();
        if let Some(line) = locate::line(&why.detail().message, node.raw_code()) {
            who = who.replacen(')', &format!(":{line})"), 1);
        }
        TaskFailure::from(why).context(&who)
    }
}

/// The files of macros that a document names, and those within it: ephemeral models, the model of a
/// unit test.
fn macro_files<'a>(document: &'a Document, files: &mut BTreeMap<&'a str, &'a MacroFile>) {
    files.extend(document.macros.iter().map(|file| (file.file.as_str(), file)));
    document.ephemerals.iter().chain(document.tested.as_deref()).for_each(|inner| macro_files(inner, files));
}
