//! Small guests made of WebAssembly text, and a door that records.

#![allow(dead_code, unreachable_pub, reason = "each test file includes it and uses its part")]

use std::{cell::RefCell, path::Path, rc::Rc, sync::Arc};

use cofferdam_call::{
    AttemptEnd, AttemptPlan, Call, FrameError, GuestKind, Interface, Invocation, Limits, Reply,
};
use cofferdam_ids::Sha256Digest;
use cofferdam_runner::{Answer, Budget, Door, Library, Turn, compile_bytes, engine};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component of a world of `wit/`, around a core module in text form.
pub fn component(world: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut worlds = None;
    for package in ["types", "capability", "warehouse", "task", "worlds"] {
        worlds = Some(resolve.push_path(wit.join(package)).expect("wit/ parses").0);
    }
    let world = resolve
        .select_world(&[worlds.expect("there are packages")], Some(world))
        .expect("the world is there");
    let mut module = wat::parse_str(core).expect("the guest's text is WebAssembly");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("the guest fits its world");
    encoder.encode().expect("the guest encodes")
}

/// What every guest needs: a memory, and an allocator that gives out one page after the other.
const BASE: &str = r#"
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param $old i32) (param i32 i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (memory.grow
          (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))) (i32.const -1))
        (then (unreachable)))))
    (local.get $at))
"#;

/// A task whose `run` is `body`. Untouched memory at 0 reads as success without a summary.
pub fn task(imports: &str, body: &str) -> Vec<u8> {
    component(
        "task",
        &format!(
            r#"(module {imports} {BASE}
              (func $run (export "cofferdam:task/task@0.1.0#run") (param $in i32) (result i32) {body}))"#
        ),
    )
}

/// An adapter: `open` gives connection 1, `execute` is `execute`, dropping runs `on_drop`; all
/// else is unreachable.
pub fn adapter(imports: &str, execute: &str, on_drop: &str) -> Vec<u8> {
    let warehouse = "cofferdam:warehouse/warehouse@0.1.0";
    let mut rest = String::new();
    for (name, params) in [
        ("dialect", 1),
        ("render", 9),
        ("render-type", 4),
        ("query", 5),
        ("execute-once", 7),
        ("begin", 1),
        ("commit", 1),
        ("commit-once", 3),
        ("rollback", 1),
        ("ensure-schema", 3),
        ("list-relations", 3),
        ("find", 9),
        ("describe", 9),
        ("column-types", 9),
        ("create-table-as", 11),
        ("create-table", 11),
        ("create-view", 11),
        ("insert", 14),
        ("rename", 11),
        ("drop-relation", 9),
        ("load", 11),
        ("load-into", 11),
    ] {
        rest += &format!(
            r#"(func (export "{warehouse}#[method]connection.{name}") (param {}) (result i32) unreachable)"#,
            "i32 ".repeat(params)
        );
    }
    component(
        "adapter",
        &format!(
            r#"(module
              (import "[export]{warehouse}" "[resource-new]connection" (func $new (param i32) (result i32)))
              {imports} {BASE} {rest}
              (func (export "{warehouse}#[method]connection.replace-range") (param i32) (result i32) unreachable)
              (func (export "{warehouse}#[method]connection.snapshot") (param i32) (result i32) unreachable)
              (func (export "{warehouse}#[method]connection.execute") (param i32 i32 i32 i32 i32) (result i32) {execute})
              (func (export "{warehouse}#[method]rows.columns") (param i32) (result i32) unreachable)
              (func (export "{warehouse}#[method]rows.next") (param i32) (result i32) unreachable)
              (func (export "{warehouse}#[method]loader.write") (param i32 i32 i32) (result i32) unreachable)
              (func (export "{warehouse}#[method]loader.finish") (param i32) (result i32) unreachable)
              (func (export "{warehouse}#[dtor]connection") (param i32) {on_drop})
              (func (export "{warehouse}#open") (param i32 i32 i32) (result i32)
                (i32.store (i32.const 260) (call $new (i32.const 1)))
                (i32.const 256)))"#
        ),
    )
}

/// A door that keeps what went through it. Sessions and loads are opened, the rest is done.
#[derive(Default)]
pub struct Recorder {
    pub calls: Vec<Call>,
}

impl Door for Recorder {
    fn call(&mut self, call: Call, _payload: &[u8]) -> Result<Answer, FrameError> {
        let reply = match &call {
            Call::SqlOpen { .. } | Call::SqlLoad { .. } => Reply::Opened(cofferdam_call::Handle(7)),
            Call::SqlExecute { .. } | Call::SqlLoadFinish { .. } => Reply::Count(3),
            Call::FileList { .. } => Reply::Files(Vec::new()),
            Call::FileRead { .. } => Reply::Bytes,
            _ => Reply::Done,
        };
        self.calls.push(call);
        Ok(Answer::Reply(reply, Vec::new()))
    }
}

/// A runner's inside, without the process around it.
pub struct Bench {
    pub library: Arc<Library>,
    pub door: Rc<RefCell<Recorder>>,
    pub turn: Turn,
}

pub const EVERYTHING: [Interface; 4] =
    [Interface::Warehouse, Interface::Sql, Interface::ReleaseFiles, Interface::Telemetry];

impl Bench {
    pub fn new() -> Self {
        Self::with_budget(1 << 30)
    }

    pub fn with_budget(bytes: u64) -> Self {
        let engine = engine::runner(1).expect("the pool fits");
        engine::start_ticker(&engine).expect("a thread");
        let library = Library::new(engine, Budget::new(bytes));
        Self { library, door: Rc::default(), turn: Turn { stop: Arc::default(), start: 0 } }
    }

    pub fn load(&self, component: &[u8]) -> Sha256Digest {
        let digest = Sha256Digest::of(component);
        self.library.load(digest, &compile_bytes(component).expect("it compiles")).expect("it loads");
        digest
    }

    pub fn run(&mut self, plan: AttemptPlan) -> AttemptEnd {
        self.turn.start += 1;
        cofferdam_runner::run(&self.library, plan, &self.door, &self.turn)
    }

    pub fn run_task(&mut self, component: &[u8]) -> AttemptEnd {
        let plan = plan(self.load(component));
        self.run(plan)
    }
}

pub fn plan(component: Sha256Digest) -> AttemptPlan {
    AttemptPlan {
        kind: GuestKind::Task,
        component,
        adapters: Vec::new(),
        interfaces: EVERYTHING.to_vec(),
        limits: Limits { wall_ms: 10_000, memory_bytes: 4 << 20, log_bytes: 1 << 10 },
        invocation: Some(Invocation {
            task: "model.shop.orders".to_owned(),
            entry: "model".to_owned(),
            gateway: Some("wh".to_owned()),
            run: "run_1".to_owned(),
            attempt: 1,
            environment: "test".to_owned(),
            started_at: "2026-11-21T06:00:00Z".to_owned(),
            settings: Vec::new(),
            arguments: Vec::new(),
        }),
        describe: None,
    }
}
