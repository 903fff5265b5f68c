//! The one Wasmtime engine of a process, and the clock that interrupts guests.
//!
//! In: how many lanes there are. Out: an [`Engine`]; its configuration is shared by the compile
//! child and the runner, so that what the one makes the other can load.
//! Never: compiles in a runner; the compiler is switched off there.
//! Fails: when the kernel does not give the address space of the pool.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use std::{
    io,
    thread::{Builder, JoinHandle, sleep},
    time::Duration,
};

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often running guests are looked at.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Bytes of wasm stack of one store.
pub const WASM_STACK_BYTES: usize = 512 << 10;
/// Bytes of stack of a lane's thread: task and adapter stores nest, and host code needs its part.
pub const LANE_STACK_BYTES: usize = 4 << 20;
/// Adapters one attempt may have open at once.
pub const ADAPTERS_MAX: usize = 4;
/// Bytes one linear memory may grow to, whatever a grant says.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Core instances of one component.
pub const CORE_INSTANCES_MAX: u32 = 20;
/// Memories of one component.
pub const MEMORIES_MAX: u32 = 2;
/// Tables of one component.
pub const TABLES_MAX: u32 = 8;
/// Elements of one table.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Everything that decides what compiled code looks like. Both processes start from this.
pub fn config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Back traces of guests hold nothing that a code and the guest's own words do not say,
        // and walking the stack costs as much as a short attempt.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        // Nothing unwinds guest code: traps leave it by its frames. Artifacts are smaller without.
        .native_unwind_info(false);
    // What Rust, C, JavaScript and Python tool chains emit today stays on: bulk memory,
    // reference types, multi-value, sign extension, saturating conversions, SIMD. The rest is
    // surface without a user.
    config
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false);
    config
}

/// The engine of a compile child: compiles, and never instantiates.
pub fn compiler() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// The engine of a runner with so many lanes: instantiates from a pool, and never compiles.
pub fn runner(lanes: u32) -> wasmtime::Result<Engine> {
    let mut config = config();
    config.enable_compiler(false).allocation_strategy(pool(lanes));
    Engine::new(&config)
}

/// Memories the pool of so many lanes holds.
pub(crate) fn pool_memories(lanes: u32) -> u32 {
    components(lanes) * MEMORIES_MAX
}

fn components(lanes: u32) -> u32 {
    lanes.clamp(1, 64) * (1 + ADAPTERS_MAX as u32)
}

fn pool(lanes: u32) -> PoolingAllocationConfig {
    let components = components(lanes);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(components)
        .total_core_instances(components * 6)
        .total_memories(pool_memories(lanes))
        .total_tables(components * 4)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(1 << 20)
        .max_tables_per_module(2)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(MEMORY_BYTES_MAX)
        // Kept warm: what a small task dirties, no more; an idle runner must stay small.
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(components)
        .decommit_batch_size(1);
    pool
}

/// Starts the thread that moves the epoch on every [`EPOCH_TICK`]. It ends when the engine is gone.
pub fn start_ticker(engine: &Engine) -> io::Result<JoinHandle<()>> {
    let engine = engine.weak();
    Builder::new().name("ticker".to_owned()).stack_size(64 << 10).spawn(move || {
        loop {
            sleep(EPOCH_TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    })
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    fn compatibility(engine: &Engine) -> u64 {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn what_the_compile_child_makes_the_runner_can_load() {
        let (compiler, runner) = (compiler().unwrap(), runner(2).unwrap());
        // The hash takes in a compiler where there is one, so the pool is given one to compare.
        let pooled = Engine::new(config().allocation_strategy(pool(2))).unwrap();
        assert_eq!(compatibility(&compiler), compatibility(&pooled));
        let artifact = compiler.precompile_component(b"(component)").err();
        assert!(artifact.is_some(), "text is not a component: the `wat` feature is off");
        let artifact = compiler.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
        assert!(crate::artifact::load(&runner, &artifact).is_ok());
    }

    #[test]
    fn a_runner_cannot_compile() {
        let wasm = wat::parse_str("(component)").unwrap();
        assert!(wasmtime::component::Component::from_binary(&runner(1).unwrap(), &wasm).is_err());
    }

    #[test]
    fn proposals_nobody_needs_are_refused() {
        let engine = compiler().unwrap();
        for (name, module) in [
            ("gc", "(module (type (struct)))"),
            ("threads", "(module (memory 1 1 shared))"),
            ("memory64", "(module (memory i64 1))"),
            ("multi-memory", "(module (memory 1) (memory 1))"),
            ("tail-call", "(module (func return_call 0))"),
            ("exceptions", "(module (tag))"),
            (
                "relaxed-simd",
                "(module (func (param v128) local.get 0 local.get 0 i8x16.relaxed_swizzle drop))",
            ),
        ] {
            let component = wat::parse_str(format!("(component (core {}", &module[1..]) + ")").unwrap();
            assert!(engine.precompile_component(&component).is_err(), "{name} was accepted");
        }
    }

    #[test]
    fn a_new_wasmtime_is_reviewed_for_new_knobs() {
        // Every cap of `limits::harden` was chosen from the list of 48.0.8. Before changing the
        // version here, compare `Store::set_*`, `ResourceTable::set_*`, `PoolingAllocationConfig`
        // and `Config` with that release and give each new knob a value.
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains("name = \"wasmtime\"\nversion = \"48.0.8\""));
    }
}
