//! The macros that make a component of a type. Natively they only check that the type fits.

/// Exports an [`Adapter`](crate::Adapter): `export_adapter!(MyAdapter);`, once in a crate.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        const _: () = {
            const fn fits<A: $crate::Adapter>() {}
            fits::<$adapter>();
        };
        $crate::__component_adapter!($adapter);
    };
}

/// Exports a [`Task`](crate::Task): `export_task!(MyTask);`, once in a crate.
#[macro_export]
macro_rules! export_task {
    ($task:ty) => {
        const _: () = {
            const fn fits<T: $crate::Task>() {}
            fits::<$task>();
        };
        $crate::__component_task!($task);
    };
}

/// Exports a [`Project`](crate::Project) loader: `export_project!(MyLoader);`, once in a crate.
#[macro_export]
macro_rules! export_project {
    ($project:ty) => {
        const _: () = {
            const fn fits<P: $crate::Project>() {}
            fits::<$project>();
        };
        $crate::__component_project!($project);
    };
}

#[cfg(all(target_arch = "wasm32", feature = "adapter"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_adapter {
    ($plugin:ty) => {
        const _: () = {
            type Guest = $crate::wasm::AdapterGuest<$plugin>;
    $crate::wasm::bindings::adapter::export!(Guest with_types_in $crate::wasm::bindings::adapter);
        };
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "adapter")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_adapter {
    ($plugin:ty) => {
        compile_error!("turn on the feature `adapter` of cofferdam-sdk to export this plugin");
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_adapter {
    ($plugin:ty) => {};
}

#[cfg(all(target_arch = "wasm32", feature = "task"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_task {
    ($plugin:ty) => {
        const _: () = {
            type Guest = $crate::wasm::TaskGuest<$plugin>;
    $crate::wasm::bindings::task::export!(Guest with_types_in $crate::wasm::bindings::task);
        };
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "task")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_task {
    ($plugin:ty) => {
        compile_error!("turn on the feature `task` of cofferdam-sdk to export this plugin");
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_task {
    ($plugin:ty) => {};
}

#[cfg(all(target_arch = "wasm32", feature = "project"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_project {
    ($plugin:ty) => {
        const _: () = {
            type Guest = $crate::wasm::ProjectGuest<$plugin>;
    $crate::wasm::bindings::project::export!(Guest with_types_in $crate::wasm::bindings::project);
        };
    };
}

#[cfg(all(target_arch = "wasm32", not(feature = "project")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_project {
    ($plugin:ty) => {
        compile_error!("turn on the feature `project` of cofferdam-sdk to export this plugin");
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component_project {
    ($plugin:ty) => {};
}
