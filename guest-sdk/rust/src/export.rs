//! The macros that make a component of a type. Natively they only check that the type fits.

/// Exports an [`Adapter`](crate::Adapter): `export_adapter!(MyAdapter);`, once in a crate.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        const _: () = {
            const fn fits<A: $crate::Adapter>() {}
            fits::<$adapter>();
        };
        $crate::__component!(adapter, AdapterGuest<$adapter>);
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
        $crate::__component!(task, TaskGuest<$task>);
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
        $crate::__component!(project, ProjectGuest<$project>);
    };
}

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __component {
    ($world:ident, $guest:ident<$plugin:ty>) => {
        const _: () = {
            type Guest = $crate::wasm::$guest<$plugin>;
    $crate::wasm::bindings::$world::export!(Guest with_types_in $crate::wasm::bindings::$world);
        };
    };
}

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __component {
    ($($component:tt)*) => {};
}
