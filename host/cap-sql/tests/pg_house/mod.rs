//! What tests against a real PostgreSQL server share.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use cofferdam_call::{Access, Column, DataType, Refusal, Value};
use cofferdam_cap_sql::{
    Address, Allowances, CancelToken, Credential, Holder, OneKey, Opening, Pool, Postgres, PostgresConnect,
    ServerSettings, SessionWall, SqlDriver, SqlSession, TlsMode, TlsSettings,
};
use cofferdam_ids::{AttemptNo, DispatchId, Fence, ProjectId, RunId, TaskId};
use cofferdam_vault::Secret;

/// One server for all tests of a binary.
pub(crate) static SERVER: LazyLock<cofferdam_servers::Postgres> =
    LazyLock::new(|| cofferdam_servers::Postgres::start_with(&[("deadlock_timeout", "100ms")]));

pub(crate) fn settings(server: &cofferdam_servers::Postgres) -> ServerSettings {
    ServerSettings {
        address: Address::Tcp { host: "localhost".to_owned(), port: server.port() },
        database: cofferdam_servers::DATABASE.to_owned(),
        schema: "analytics".to_owned(),
        tls: TlsSettings { mode: TlsMode::VerifyFull, ca: Some(server.ca_file()) },
        allow: Allowances::default(),
        connections: 16,
        statement_timeout: Duration::from_secs(60),
        lock_timeout: Duration::from_secs(5),
        zone_of_server: false,
        owner_tag: "0123abcd".to_owned(),
        fence_schema: "cofferdam".to_owned(),
    }
}

pub(crate) fn credential(role: &str) -> Credential {
    let password = cofferdam_servers::Postgres::password(role);
    Credential { user: role.to_owned(), password: Some(Secret::new(password.into_bytes())) }
}

pub(crate) fn driver_with(settings: ServerSettings, credential: Credential) -> Postgres {
    let connections = settings.connections;
    let pool = Pool::new(PostgresConnect::new(settings), connections);
    Postgres::new(pool, Arc::new(OneKey::new(credential)))
}

pub(crate) fn driver(role: &str) -> Postgres {
    driver_with(settings(&SERVER), credential(role))
}

pub(crate) fn open(driver: &Postgres, access: Access, cancel: &CancelToken) -> Box<dyn SqlSession> {
    open_as(driver, access, cancel, Holder::operator()).unwrap()
}

pub(crate) fn open_as(
    driver: &Postgres,
    access: Access,
    cancel: &CancelToken,
    holder: Holder,
) -> Result<Box<dyn SqlSession>, Refusal> {
    driver.open(Opening { access, wall: SessionWall::everything(), cancel, holder })
}

/// A writer's session with patience.
pub(crate) fn writer() -> Box<dyn SqlSession> {
    open(&driver("writer"), Access::Write, &CancelToken::default())
}

pub(crate) fn holder(task: &str, run: u64, fence: u64) -> Holder {
    Holder {
        project: ProjectId::new("prj_tests").unwrap(),
        run: RunId::new(format!("run_00000000-0000-0000-0000-{run:012}")).unwrap(),
        task: TaskId::new(task).unwrap(),
        attempt: AttemptNo(1),
        dispatch: DispatchId::new(format!("00000000-0000-0000-0000-{fence:012}")).unwrap(),
        fence: Fence(fence),
    }
}

/// All rows of a query.
pub(crate) fn read(session: &mut dyn SqlSession, statement: &str, values: &[Value]) -> Result<Rows, Refusal> {
    let (id, columns) = session.query(statement, values)?;
    let mut bytes = Vec::new();
    let mut count = 0;
    loop {
        let mut frame = Vec::new();
        let Some(rows) = session.next_frame(id, &mut frame)? else { break };
        assert!(frame.len() <= cofferdam_call::FRAME_BYTES_MAX);
        count += rows;
        bytes.extend_from_slice(&frame);
    }
    session.close_rows(id);
    let batches: Vec<RecordBatch> =
        StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows() as u64).sum::<u64>(), count);
    Ok(Rows { columns, batches, bytes })
}

pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) bytes: Vec<u8>,
}

impl Rows {
    pub(crate) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(crate) fn types(&self) -> Vec<DataType> {
        self.columns.iter().map(|column| column.data_type.clone()).collect()
    }

    /// Every value of a column, written out.
    pub(crate) fn text(&self, column: usize) -> Vec<String> {
        use arrow_array::{
            Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float64Array,
            Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
        };
        let mut out = Vec::new();
        for batch in &self.batches {
            let array = batch.column(column);
            let any = array.as_any();
            for n in 0..array.len() {
                out.push(if array.is_null(n) {
                    "NULL".to_owned()
                } else if let Some(a) = any.downcast_ref::<Int64Array>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<StringArray>() {
                    a.value(n).to_owned()
                } else if let Some(a) = any.downcast_ref::<Float64Array>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<BooleanArray>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<Decimal128Array>() {
                    a.value_as_string(n)
                } else if let Some(a) = any.downcast_ref::<Decimal256Array>() {
                    a.value_as_string(n)
                } else if let Some(a) = any.downcast_ref::<Date32Array>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<Time64MicrosecondArray>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<TimestampMicrosecondArray>() {
                    a.value(n).to_string()
                } else if let Some(a) = any.downcast_ref::<BinaryArray>() {
                    format!("{:?}", a.value(n))
                } else {
                    panic!("a column of {:?}", array.data_type())
                });
            }
        }
        out
    }

    /// The frames, as a load takes them: at most 1 MiB each.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        let schema = self.batches.first().map(RecordBatch::schema);
        let schema = schema.expect("a batch");
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
        let mut frames = vec![std::mem::take(writer.get_mut())];
        for batch in &self.batches {
            writer.write(batch).unwrap();
            frames.push(std::mem::take(writer.get_mut()));
        }
        frames
    }
}

pub(crate) fn one(session: &mut dyn SqlSession, statement: &str) -> String {
    read(session, statement, &[]).unwrap().text(0).concat()
}

pub(crate) fn ca() -> PathBuf {
    SERVER.ca_file()
}
