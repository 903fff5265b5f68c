//! The components of a process, linked and ready to be instantiated.
//!
//! In: artifacts from the broker. Out: pre-instantiated components, one per component and set of
//! interfaces granted; the same for every lane.
//! Never: links an interface that was not granted, or one its world does not have.
//! Fails: with CD0404 for an import that does not exist, CD0408 for a missing export, CD0409 for a
//! component that was not loaded.
//! Source: `docs/adr/0004-hand-linked-minimal-wasi.md`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cofferdam_call::{GuestKind, Interface};
use cofferdam_ids::Sha256Digest;
use wasmtime::{
    Engine,
    component::{Component, HasSelf, InstancePre, Linker, ResourceType, types::ComponentItem},
};

use crate::{
    artifact,
    bindings::{adapter, project, task},
    limits::Budget,
    room::Room,
    stopped::{NO_SUCH_IMPORT, NOT_LOADED, NOT_OF_THE_WORLD, RUNNER_FULL, Stopped},
    wasi,
};

/// Components one process holds.
pub const COMPONENTS_MAX: usize = 128;

/// A set of [`Interface`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Interfaces(u8);

impl Interfaces {
    pub(crate) fn of(list: &[Interface]) -> Self {
        Self(list.iter().fold(0, |set, interface| set | Self::bit(*interface)))
    }

    pub(crate) fn has(self, interface: Interface) -> bool {
        self.0 & Self::bit(interface) != 0
    }

    fn bit(interface: Interface) -> u8 {
        match interface {
            Interface::Warehouse => 1,
            Interface::Sql => 2,
            Interface::ReleaseFiles => 4,
            Interface::Telemetry => 8,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum World {
    Adapter,
    Task,
    Project,
}

impl World {
    const fn interfaces(self) -> &'static [Interface] {
        match self {
            Self::Adapter => &[Interface::Sql, Interface::Telemetry],
            Self::Task => &[Interface::Warehouse, Interface::ReleaseFiles, Interface::Telemetry],
            Self::Project => &[Interface::ReleaseFiles, Interface::Telemetry],
        }
    }
}

#[derive(Clone)]
enum Ready {
    Adapter(Arc<adapter::AdapterPre<Room>>),
    Task(Arc<task::TaskPre<Room>>),
    Project(Arc<project::ProjectPre<Room>>),
}

/// A task or project loader, ready to be instantiated.
pub(crate) enum Entry {
    Task(Arc<task::TaskPre<Room>>),
    Project(Arc<project::ProjectPre<Room>>),
}

/// The components of a process and the budget they share.
pub struct Library {
    engine: Engine,
    budget: Arc<Budget>,
    components: Mutex<HashMap<Sha256Digest, Component>>,
    ready: Mutex<HashMap<(Sha256Digest, World, Interfaces), Ready>>,
}

impl Library {
    /// An empty library.
    pub fn new(engine: Engine, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { engine, budget, components: Mutex::default(), ready: Mutex::default() })
    }

    /// The process's engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The process's memory budget.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes up an artifact that [`crate::compile`] made of the component with this digest.
    ///
    /// The caller vouches for the artifact: its bytes become machine code of this process.
    pub fn load(&self, component: Sha256Digest, artifact: &[u8]) -> Result<(), Stopped> {
        if lock(&self.components).contains_key(&component) {
            return Ok(());
        }
        if lock(&self.components).len() >= COMPONENTS_MAX {
            return Err(Stopped::new(
                RUNNER_FULL,
                format!("the runner holds {COMPONENTS_MAX} components already"),
            ));
        }
        let loaded = artifact::load(&self.engine, artifact)
            .and_then(|loaded| loaded.initialize_copy_on_write_image().map(|()| loaded))
            .map_err(|error| {
                Stopped::new(NOT_LOADED, format!("the artifact cannot be used: {}", chain(&error)))
            })?;
        lock(&self.components).insert(component, loaded);
        Ok(())
    }

    pub(crate) fn entry(
        &self,
        component: &Sha256Digest,
        kind: GuestKind,
        interfaces: Interfaces,
    ) -> Result<Entry, Stopped> {
        let world = match kind {
            GuestKind::Task => World::Task,
            GuestKind::Project => World::Project,
        };
        match self.ready(component, world, interfaces)? {
            Ready::Task(task) => Ok(Entry::Task(task)),
            Ready::Project(project) => Ok(Entry::Project(project)),
            Ready::Adapter(_) => Err(Stopped::new(NOT_OF_THE_WORLD, "an adapter cannot be run as a task")),
        }
    }

    pub(crate) fn adapter(
        &self,
        component: &Sha256Digest,
        interfaces: Interfaces,
    ) -> Result<Arc<adapter::AdapterPre<Room>>, Stopped> {
        match self.ready(component, World::Adapter, interfaces)? {
            Ready::Adapter(adapter) => Ok(adapter),
            _ => Err(Stopped::new(NOT_OF_THE_WORLD, "only an adapter can stand behind a gateway")),
        }
    }

    fn ready(&self, digest: &Sha256Digest, world: World, interfaces: Interfaces) -> Result<Ready, Stopped> {
        let key = (*digest, world, interfaces);
        if let Some(ready) = lock(&self.ready).get(&key) {
            return Ok(ready.clone());
        }
        let component = lock(&self.components)
            .get(digest)
            .cloned()
            .ok_or_else(|| Stopped::new(NOT_LOADED, format!("component {digest} was not loaded")))?;
        let ready = self.link(&component, world, interfaces)?;
        lock(&self.ready).insert(key, ready.clone());
        Ok(ready)
    }

    fn link(&self, component: &Component, world: World, interfaces: Interfaces) -> Result<Ready, Stopped> {
        let inert = self.admit(component, world, interfaces)?;
        let linker = linker(&self.engine, world, interfaces)
            .and_then(|mut linker| link_inert(&mut linker, &inert).map(|()| linker))
            .map_err(|error| Stopped::new(NOT_OF_THE_WORLD, chain(&error)))?;
        let pre = linker.instantiate_pre(component).map_err(|error| {
            Stopped::new(
                NO_SUCH_IMPORT,
                format!("the component asks for what does not exist: {}", chain(&error)),
            )
        })?;
        exported(world, pre).map_err(|error| {
            Stopped::new(NOT_OF_THE_WORLD, format!("the component does not fit its world: {}", chain(&error)))
        })
    }

    /// Names the first import that is neither WASI nor granted, before Wasmtime looks at types.
    /// Gives those that are not lent but lend nothing either.
    fn admit(
        &self,
        component: &Component,
        world: World,
        interfaces: Interfaces,
    ) -> Result<Vec<Inert>, Stopped> {
        let mut inert = Vec::new();
        for (name, import) in component.component_type().imports(&self.engine) {
            let bare = name.split_once('@').map_or(name, |(bare, _)| bare);
            let lent = match interface_named(bare) {
                Some(interface) => world.interfaces().contains(&interface) && interfaces.has(interface),
                None => bare.starts_with("cofferdam:types/") || wasi::is_linked(bare),
            };
            if lent {
                continue;
            }
            match self.resources_alone(&import.ty) {
                Some(resources) => inert.push(Inert { interface: name.to_owned(), resources }),
                None => {
                    let why = format!("import `{name}` does not exist for this guest");
                    return Err(Stopped::new(NO_SUCH_IMPORT, why));
                }
            }
        }
        Ok(inert)
    }

    /// The resources of an import that has no function. Tool chains name an interface when a guest
    /// mentions one of its types, or could drop a handle of it; without a function that gives a
    /// handle there is none to be dropped.
    fn resources_alone(&self, import: &ComponentItem) -> Option<Vec<String>> {
        let ComponentItem::ComponentInstance(instance) = import else { return None };
        let mut resources = Vec::new();
        for (name, export) in instance.exports(&self.engine) {
            match export.ty {
                ComponentItem::Type(_) => {}
                ComponentItem::Resource(_) => resources.push(name.to_owned()),
                _ => return None,
            }
        }
        Some(resources)
    }
}

/// An interface of which a guest names types and resources, but no function.
struct Inert {
    interface: String,
    resources: Vec<String>,
}

/// What the resources of an [`Inert`] interface are: of this type no value is ever made.
enum Nothing {}

fn link_inert(linker: &mut Linker<Room>, inert: &[Inert]) -> wasmtime::Result<()> {
    for Inert { interface, resources } in inert {
        let mut instance = linker.instance(interface)?;
        for name in resources {
            instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
        }
    }
    Ok(())
}

fn interface_named(bare: &str) -> Option<Interface> {
    match bare {
        "cofferdam:warehouse/warehouse" => Some(Interface::Warehouse),
        "cofferdam:capability/sql" => Some(Interface::Sql),
        "cofferdam:capability/release-files" => Some(Interface::ReleaseFiles),
        "cofferdam:capability/telemetry" => Some(Interface::Telemetry),
        _ => None,
    }
}

fn linker(engine: &Engine, world: World, interfaces: Interfaces) -> wasmtime::Result<Linker<Room>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    adapter::cofferdam::types::data::add_to_linker::<_, HasSelf<Room>>(&mut linker, |room| room)?;
    adapter::cofferdam::types::failures::add_to_linker::<_, HasSelf<Room>>(&mut linker, |room| room)?;
    for interface in world.interfaces().iter().filter(|interface| interfaces.has(**interface)) {
        let linker = &mut linker;
        match interface {
            Interface::Sql => {
                adapter::cofferdam::capability::sql::add_to_linker::<_, HasSelf<Room>>(linker, |room| room)?;
            }
            Interface::Telemetry => {
                adapter::cofferdam::capability::telemetry::add_to_linker::<_, HasSelf<Room>>(
                    linker,
                    |room| room,
                )?;
            }
            Interface::Warehouse => {
                task::cofferdam::warehouse::warehouse::add_to_linker::<_, HasSelf<Room>>(linker, |room| {
                    room
                })?;
            }
            Interface::ReleaseFiles => {
                task::cofferdam::capability::release_files::add_to_linker::<_, HasSelf<Room>>(
                    linker,
                    |room| room,
                )?;
            }
        }
    }
    Ok(linker)
}

fn exported(world: World, pre: InstancePre<Room>) -> wasmtime::Result<Ready> {
    Ok(match world {
        World::Adapter => Ready::Adapter(Arc::new(adapter::AdapterPre::new(pre)?)),
        World::Task => Ready::Task(Arc::new(task::TaskPre::new(pre)?)),
        World::Project => Ready::Project(Arc::new(project::ProjectPre::new(pre)?)),
    })
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A lane that panicked leaves these maps whole: nothing is half done under the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
