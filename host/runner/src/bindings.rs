//! What `wit/` says, as Rust: generated, one module per world.
//!
//! In: the packages under `wit/`. Out: host traits for imports, typed calls for exports.
//! Never: written by hand. Fails: at build time, when a package no longer fits.
//! Source: `docs/adr/0003-threads-not-fibers.md` (all calls are synchronous).

#![allow(missing_docs, unreachable_pub, unused_variables, reason = "generated code")]

/// World `adapter`: what a guest that speaks a warehouse's dialect is lent and must export.
pub(crate) mod adapter {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds",
        ],
        world: "cofferdam:worlds/adapter",
        imports: { default: trappable },
        with: {
            "cofferdam:capability/sql.session": crate::host::Session,
            "cofferdam:capability/sql.rows": crate::host::Rows,
            "cofferdam:capability/sql.loader": crate::host::Loader,
        },
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
            "cofferdam:warehouse/warehouse.connection": crate::host::Connection,
            "cofferdam:warehouse/warehouse.rows": crate::host::WarehouseRows,
            "cofferdam:warehouse/warehouse.loader": crate::host::WarehouseLoader,
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
            "cofferdam:types/failures": super::adapter::cofferdam::types::failures,
            "cofferdam:capability/telemetry": super::adapter::cofferdam::capability::telemetry,
            "cofferdam:capability/release-files": super::task::cofferdam::capability::release_files,
        },
    });
}
