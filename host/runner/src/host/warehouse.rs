//! `cofferdam:warehouse/warehouse`, lent to tasks: passed across to the adapter behind the gateway.
//!
//! The adapter runs in a store of its own, on the same thread, started at the first `open`. A trap
//! or limit in it ends the attempt. Its resources are known to the task only by entries of the
//! task's own table.

use std::sync::Arc;

use cofferdam_call::COLUMNS_MAX;
use cofferdam_ids::{GatewayName, Sha256Digest};
use wasmtime::{
    Result, Store,
    component::{Resource, ResourceAny},
};

use super::{
    convert::{self, trimmed},
    sql::{check, gateway_name},
};
use crate::{
    bindings::{
        adapter::{
            Adapter,
            cofferdam::types::{
                data::{Access, Column, DataType, Relation, Value},
                failures::{Detail, Failure},
            },
            exports::cofferdam::warehouse::warehouse as theirs,
        },
        task::cofferdam::warehouse::warehouse::{
            ChangeMark, ColumnDeclaration, Dialect, HardDeletes, HistoryNames, Host, HostConnection,
            HostLoader, HostRows, MergeStrategy, RelationInfo, RelationKind, SnapshotSpec, ValueRange,
        },
    },
    engine::ADAPTERS_MAX,
    library::{Interfaces, Library},
    limits::{HOSTCALL_BYTES_MAX, Memory, Meter, harden},
    room::Room,
    stopped::NO_ADAPTER,
};

/// Columns of a key.
const KEY_COLUMNS_MAX: usize = 100;
/// Columns a snapshot compares.
const CHECKED_COLUMNS_MAX: usize = 1_000;
/// Bytes of a step's name: 100 characters.
const STEP_BYTES_MAX: usize = 400;

/// Bytes of a type in the warehouse's own words.
const DECLARED_BYTES_MAX: usize = 4 << 10;

/// The adapters an attempt may open, and those it has.
pub(crate) struct Warehouses {
    library: Arc<Library>,
    adapters: Vec<(GatewayName, Sha256Digest)>,
    interfaces: Interfaces,
    memory: Arc<Memory>,
    running: Vec<Running>,
}

/// One adapter in its store.
struct Running {
    gateway: GatewayName,
    store: Store<Room>,
    bindings: Adapter,
}

/// A connection of the adapter with that place in [`Warehouses::running`].
#[derive(Debug, Clone, Copy)]
pub struct Connection(Across);
/// Rows of an adapter.
#[derive(Debug, Clone, Copy)]
pub struct WarehouseRows(Across);
/// A load of an adapter.
#[derive(Debug, Clone, Copy)]
pub struct WarehouseLoader(Across);

#[derive(Debug, Clone, Copy)]
struct Across {
    adapter: usize,
    resource: ResourceAny,
}

impl Warehouses {
    pub(crate) fn new(
        library: Arc<Library>,
        adapters: Vec<(GatewayName, Sha256Digest)>,
        interfaces: Interfaces,
        memory: Arc<Memory>,
    ) -> Self {
        Self { library, adapters, interfaces, memory, running: Vec::new() }
    }

    /// Sends what the adapters wrote without a line feed.
    pub(crate) fn flush(&mut self) -> Result<(), crate::stopped::Stopped> {
        self.running.iter_mut().try_for_each(|adapter| adapter.store.data_mut().flush())
    }
}

impl Room {
    /// The adapter behind a gateway, started when it is not yet.
    fn adapter_for(&mut self, gateway: &GatewayName) -> Result<Result<usize, Failure>> {
        let attempt = self.attempt.clone();
        let warehouses = self.warehouses()?;
        if let Some(at) = warehouses.running.iter().position(|adapter| adapter.gateway == *gateway) {
            return Ok(Ok(at));
        }
        let Some((_, component)) = warehouses.adapters.iter().find(|(name, _)| name == gateway) else {
            let message = format!("this attempt has no adapter for gateway `{gateway}`");
            return Ok(Err(Failure::Refused(Detail { code: NO_ADAPTER.to_string(), message })));
        };
        if warehouses.running.len() >= ADAPTERS_MAX {
            return Ok(Err(convert::too_large("the list of open gateways", ADAPTERS_MAX + 1, ADAPTERS_MAX)));
        }
        let ready = warehouses.library.adapter(component, warehouses.interfaces)?;
        let room = Room::new(Meter::new(warehouses.memory.clone()), attempt, None);
        let mut store = harden(warehouses.library.engine(), room, HOSTCALL_BYTES_MAX);
        let bindings = ready.instantiate(&mut store)?;
        warehouses.running.push(Running { gateway: gateway.clone(), store, bindings });
        Ok(Ok(warehouses.running.len() - 1))
    }

    fn warehouses(&mut self) -> Result<&mut Warehouses> {
        self.warehouses.as_mut().ok_or_else(|| wasmtime::Error::msg("this guest was lent no warehouse"))
    }

    /// Calls the adapter a resource belongs to.
    fn across<T>(
        &mut self,
        across: Across,
        call: impl FnOnce(&theirs::Guest, &mut Store<Room>, ResourceAny) -> Result<T>,
    ) -> Result<T> {
        self.attempt.term.check()?;
        let running = self
            .warehouses()?
            .running
            .get_mut(across.adapter)
            .ok_or_else(|| wasmtime::Error::msg("an adapter is gone"))?;
        call(running.bindings.cofferdam_warehouse_warehouse(), &mut running.store, across.resource)
    }

    /// As [`Room::across`], for calls that may fail; the adapter's failure is cut to its limits.
    fn across_or_failure<T>(
        &mut self,
        across: Across,
        call: impl FnOnce(&theirs::Guest, &mut Store<Room>, ResourceAny) -> Result<Result<T, Failure>>,
    ) -> Result<Result<T, Failure>> {
        Ok(self.across(across, call)?.map_err(trimmed))
    }

    fn drop_across(&mut self, across: Across) -> Result<()> {
        self.across(across, |_, store, resource| resource.resource_drop(store))
    }

    fn connection(&self, connection: &Resource<Connection>) -> Result<Across> {
        Ok(self.table.get(connection)?.0)
    }
}

impl Host for Room {
    fn open(&mut self, gateway: String, mode: Access) -> Result<Result<Resource<Connection>, Failure>> {
        let gateway = check!(gateway_name(&gateway));
        let adapter = check!(self.adapter_for(&gateway)?);
        let running = &mut self.warehouses()?.running[adapter];
        let guest = running.bindings.cofferdam_warehouse_warehouse();
        let opened = guest.call_open(&mut running.store, gateway.as_str(), mode)?;
        let resource = check!(opened.map_err(trimmed));
        Ok(Ok(self.table.push(Connection(Across { adapter, resource }))?))
    }
}

impl HostConnection for Room {
    fn dialect(&mut self, connection: Resource<Connection>) -> Result<Dialect> {
        let across = self.connection(&connection)?;
        let theirs = self.across(across, |guest, store, it| guest.connection().call_dialect(store, it))?;
        Ok(Dialect {
            name: theirs.name,
            quote: theirs.quote,
            default_schema: theirs.default_schema,
            transactional_ddl: theirs.transactional_ddl,
        })
    }

    fn render(&mut self, connection: Resource<Connection>, relation: Relation) -> Result<String> {
        let across = self.connection(&connection)?;
        self.across(across, |guest, store, it| guest.connection().call_render(store, it, &relation))
    }

    fn render_type(&mut self, connection: Resource<Connection>, data_type: DataType) -> Result<String> {
        let across = self.connection(&connection)?;
        self.across(across, |guest, store, it| guest.connection().call_render_type(store, it, &data_type))
    }

    fn query(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Result<Resource<WarehouseRows>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::statement(&statement));
        check!(convert::wit_values(&values));
        let resource = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_query(store, it, &statement, &values)
        })?);
        Ok(Ok(self.table.push(WarehouseRows(Across { resource, ..across }))?))
    }

    fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::statement(&statement));
        check!(convert::wit_values(&values));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_execute(store, it, &statement, &values)
        })
    }

    fn execute_once(
        &mut self,
        connection: Resource<Connection>,
        step: String,
        statement: String,
        values: Vec<Value>,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::bounded("the step's name", step.len(), STEP_BYTES_MAX));
        check!(convert::statement(&statement));
        check!(convert::wit_values(&values));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_execute_once(store, it, &step, &statement, &values)
        })
    }

    fn begin(&mut self, connection: Resource<Connection>) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        self.across_or_failure(across, |guest, store, it| guest.connection().call_begin(store, it))
    }

    fn commit(&mut self, connection: Resource<Connection>) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        self.across_or_failure(across, |guest, store, it| guest.connection().call_commit(store, it))
    }

    fn commit_once(
        &mut self,
        connection: Resource<Connection>,
        step: String,
    ) -> Result<Result<bool, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::bounded("the step's name", step.len(), STEP_BYTES_MAX));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_commit_once(store, it, &step)
        })
    }

    fn rollback(&mut self, connection: Resource<Connection>) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        self.across_or_failure(across, |guest, store, it| guest.connection().call_rollback(store, it))
    }

    fn ensure_schema(
        &mut self,
        connection: Resource<Connection>,
        schema: String,
    ) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::name("the schema's name", &schema));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_ensure_schema(store, it, &schema)
        })
    }

    fn list_relations(
        &mut self,
        connection: Resource<Connection>,
        schema: String,
    ) -> Result<Result<Vec<RelationInfo>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::name("the schema's name", &schema));
        let list = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_list_relations(store, it, &schema)
        })?);
        check!(list.iter().try_for_each(|info| convert::wit_relation(&info.relation)));
        Ok(Ok(list.into_iter().map(relation_info).collect()))
    }

    fn find(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
    ) -> Result<Result<Option<RelationInfo>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        let found = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_find(store, it, &relation)
        })?);
        check!(found.iter().try_for_each(|info| convert::wit_relation(&info.relation)));
        Ok(Ok(found.map(relation_info)))
    }

    fn describe(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
    ) -> Result<Result<Vec<Column>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        let columns = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_describe(store, it, &relation)
        })?);
        check!(convert::wit_columns(&columns));
        Ok(Ok(columns))
    }

    fn column_types(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
    ) -> Result<Result<Vec<ColumnDeclaration>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        let columns = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_column_types(store, it, &relation)
        })?);
        check!(convert::bounded("the list of columns", columns.len(), COLUMNS_MAX));
        for column in &columns {
            check!(convert::name("a column's name", &column.name));
            check!(convert::bounded("a column's type", column.declared.len(), DECLARED_BYTES_MAX));
        }
        let declared = columns.into_iter().map(|column| ColumnDeclaration {
            name: column.name,
            declared: column.declared,
            nullable: column.nullable,
        });
        Ok(Ok(declared.collect()))
    }

    fn create_table_as(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        select: String,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::statement(&select));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_create_table_as(store, it, &relation, &select)
        })
    }

    fn create_table(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        columns: Vec<Column>,
    ) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::wit_columns(&columns));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_create_table(store, it, &relation, &columns)
        })
    }

    fn create_view(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        select: String,
    ) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::statement(&select));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_create_view(store, it, &relation, &select)
        })
    }

    fn insert(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        select: String,
        strategy: MergeStrategy,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::statement(&select));
        let strategy = check!(merge_strategy(strategy));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_insert(store, it, &relation, &select, &strategy)
        })
    }

    fn replace_range(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        select: String,
        within: ValueRange,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::statement(&select));
        check!(convert::name("the column's name", &within.column));
        check!(convert::wit_value(&within.start));
        check!(convert::wit_value(&within.end));
        let within = theirs::ValueRange { column: within.column, start: within.start, end: within.end };
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_replace_range(store, it, &relation, &select, &within)
        })
    }

    fn snapshot(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        select: String,
        how: SnapshotSpec,
    ) -> Result<Result<u64, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::statement(&select));
        let how = check!(snapshot_spec(how));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_snapshot(store, it, &relation, &select, &how)
        })
    }

    fn rename(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        name: String,
    ) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::name("the new name", &name));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_rename(store, it, &relation, &name)
        })
    }

    fn drop_relation(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
    ) -> Result<Result<(), Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_drop_relation(store, it, &relation)
        })
    }

    fn load(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        columns: Vec<Column>,
    ) -> Result<Result<Resource<WarehouseLoader>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::wit_columns(&columns));
        let resource = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_load(store, it, &relation, &columns)
        })?);
        Ok(Ok(self.table.push(WarehouseLoader(Across { resource, ..across }))?))
    }

    fn load_into(
        &mut self,
        connection: Resource<Connection>,
        relation: Relation,
        columns: Vec<Column>,
    ) -> Result<Result<Resource<WarehouseLoader>, Failure>> {
        let across = self.connection(&connection)?;
        check!(convert::wit_relation(&relation));
        check!(convert::wit_columns(&columns));
        let resource = check!(self.across_or_failure(across, |guest, store, it| {
            guest.connection().call_load_into(store, it, &relation, &columns)
        })?);
        Ok(Ok(self.table.push(WarehouseLoader(Across { resource, ..across }))?))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> Result<()> {
        let Connection(across) = self.table.delete(connection)?;
        self.drop_across(across)
    }
}

impl HostRows for Room {
    fn columns(&mut self, rows: Resource<WarehouseRows>) -> Result<Vec<Column>> {
        let across = self.table.get(&rows)?.0;
        let columns = self.across(across, |guest, store, it| guest.rows().call_columns(store, it))?;
        match convert::wit_columns(&columns) {
            Ok(()) => Ok(columns),
            // This function has no failure case: an adapter that breaks the limit ends here.
            Err(_) => Err(crate::stopped::Stopped::new(
                crate::stopped::VALUE_TOO_LARGE,
                "the adapter returned more or longer columns than it may",
            )
            .into()),
        }
    }

    fn next(&mut self, rows: Resource<WarehouseRows>) -> Result<Result<Option<Vec<u8>>, Failure>> {
        let across = self.table.get(&rows)?.0;
        let frame =
            check!(self.across_or_failure(across, |guest, store, it| guest.rows().call_next(store, it))?);
        check!(frame.iter().try_for_each(|bytes| convert::frame(bytes)));
        Ok(Ok(frame))
    }

    fn drop(&mut self, rows: Resource<WarehouseRows>) -> Result<()> {
        let WarehouseRows(across) = self.table.delete(rows)?;
        self.drop_across(across)
    }
}

impl HostLoader for Room {
    fn write(&mut self, loader: Resource<WarehouseLoader>, frame: Vec<u8>) -> Result<Result<(), Failure>> {
        let across = self.table.get(&loader)?.0;
        check!(convert::frame(&frame));
        self.across_or_failure(across, |guest, store, it| guest.loader().call_write(store, it, &frame))
    }

    fn finish(&mut self, loader: Resource<WarehouseLoader>) -> Result<Result<u64, Failure>> {
        let across = self.table.get(&loader)?.0;
        self.across_or_failure(across, |guest, store, it| guest.loader().call_finish(store, it))
    }

    fn drop(&mut self, loader: Resource<WarehouseLoader>) -> Result<()> {
        let WarehouseLoader(across) = self.table.delete(loader)?;
        self.drop_across(across)
    }
}

fn relation_info(info: theirs::RelationInfo) -> RelationInfo {
    let kind = match info.kind {
        theirs::RelationKind::Table => RelationKind::Table,
        theirs::RelationKind::View => RelationKind::View,
    };
    RelationInfo { relation: info.relation, kind }
}

/// The columns of a key, each within its limits.
fn key(columns: Vec<String>, most: usize) -> Result<Vec<String>, Failure> {
    convert::bounded("the list of columns", columns.len(), most)?;
    columns.iter().try_for_each(|column| convert::name("a column's name", column))?;
    Ok(columns)
}

fn merge_strategy(strategy: MergeStrategy) -> Result<theirs::MergeStrategy, Failure> {
    Ok(match strategy {
        MergeStrategy::Append => theirs::MergeStrategy::Append,
        MergeStrategy::DeleteInsert(columns) => {
            theirs::MergeStrategy::DeleteInsert(key(columns, KEY_COLUMNS_MAX)?)
        }
        MergeStrategy::Merge(columns) => theirs::MergeStrategy::Merge(key(columns, KEY_COLUMNS_MAX)?),
    })
}

fn snapshot_spec(how: SnapshotSpec) -> Result<theirs::SnapshotSpec, Failure> {
    let mark = match how.mark {
        ChangeMark::UpdatedAt(column) => {
            convert::name("a column's name", &column)?;
            theirs::ChangeMark::UpdatedAt(column)
        }
        ChangeMark::Columns(columns) => theirs::ChangeMark::Columns(key(columns, CHECKED_COLUMNS_MAX)?),
    };
    let hard_deletes = match how.hard_deletes {
        HardDeletes::Ignore => theirs::HardDeletes::Ignore,
        HardDeletes::Invalidate => theirs::HardDeletes::Invalidate,
    };
    convert::name("the time", &how.at)?;
    let HistoryNames { id, valid_from, valid_to, updated_at } = how.names;
    for name in [&id, &valid_from, &valid_to, &updated_at] {
        convert::name("a column's name", name)?;
    }
    let names = theirs::HistoryNames { id, valid_from, valid_to, updated_at };
    Ok(theirs::SnapshotSpec { key: key(how.key, KEY_COLUMNS_MAX)?, mark, hard_deletes, at: how.at, names })
}
