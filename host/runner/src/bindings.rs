//! What `wit/` says, as Rust: generated, one module per world.

/// World `adapter`: what a guest that speaks a warehouse's dialect is lent and must export.
pub(crate) mod adapter {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds",
        ],
        world: "cofferdam:worlds/adapter",
        imports: { default: trappable },
    });
}

/// World `task`. Types it shares with the adapter's world are the adapter's.
pub(crate) mod task {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds",
        ],
        world: "cofferdam:worlds/task",
        imports: { default: trappable },
        with: {
            "cofferdam:types/data": super::adapter::cofferdam::types::data,
            "cofferdam:types/failures": super::adapter::cofferdam::types::failures,
            "cofferdam:capability/telemetry": super::adapter::cofferdam::capability::telemetry,
        },
    });
}

/// World `project`. Its imports are the task's.
pub(crate) mod project {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds",
        ],
        world: "cofferdam:worlds/project",
        imports: { default: trappable },
        with: {
            "cofferdam:types/data": super::adapter::cofferdam::types::data,
            "cofferdam:types/failures": super::adapter::cofferdam::types::failures,
            "cofferdam:capability/telemetry": super::adapter::cofferdam::capability::telemetry,
            "cofferdam:capability/release-files": super::task::cofferdam::capability::release_files,
        },
    });
}
