//! The bindings of the three worlds. What they share is made once, in `shared`.

#![allow(missing_docs, unreachable_pub, clippy::too_many_lines, reason = "made by wit-bindgen")]

/// What several worlds import.
pub mod shared {
    wit_bindgen::generate!({
        inline: "
            package cofferdam:sdk@0.1.0;
            world shared {
                import cofferdam:types/data@0.1.0;
                import cofferdam:types/failures@0.1.0;
                import cofferdam:capability/telemetry@0.1.0;
                import cofferdam:capability/release-files@0.1.0;
            }
        ",
        path: ["../../wit/types", "../../wit/capability"],
        world: "cofferdam:sdk/shared",
        generate_all,
        generate_unused_types: true,
    });
}

/// The world `adapter`.
#[cfg(feature = "adapter")]
pub mod adapter {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds"],
        world: "cofferdam:worlds/adapter",
        with: {
            "cofferdam:types/data@0.1.0": super::shared::cofferdam::types::data,
            "cofferdam:types/failures@0.1.0": super::shared::cofferdam::types::failures,
            "cofferdam:capability/telemetry@0.1.0": super::shared::cofferdam::capability::telemetry,
        },
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "cofferdam_sdk::wasm::bindings::adapter",
    });
}

/// The world `task`.
#[cfg(feature = "task")]
pub mod task {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds"],
        world: "cofferdam:worlds/task",
        with: {
            "cofferdam:types/data@0.1.0": super::shared::cofferdam::types::data,
            "cofferdam:types/failures@0.1.0": super::shared::cofferdam::types::failures,
            "cofferdam:capability/telemetry@0.1.0": super::shared::cofferdam::capability::telemetry,
            "cofferdam:capability/release-files@0.1.0": super::shared::cofferdam::capability::release_files,
        },
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "cofferdam_sdk::wasm::bindings::task",
    });
}

/// The world `project`.
#[cfg(feature = "project")]
pub mod project {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/capability", "../../wit/warehouse", "../../wit/task", "../../wit/worlds"],
        world: "cofferdam:worlds/project",
        with: {
            "cofferdam:types/failures@0.1.0": super::shared::cofferdam::types::failures,
            "cofferdam:capability/telemetry@0.1.0": super::shared::cofferdam::capability::telemetry,
            "cofferdam:capability/release-files@0.1.0": super::shared::cofferdam::capability::release_files,
        },
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "cofferdam_sdk::wasm::bindings::project",
    });
}
