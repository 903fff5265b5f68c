//! What the tests share: one server, and gateways to it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use cofferdam_call::{Access, Column, FRAME_BYTES_MAX, Refusal};
use cofferdam_cap_sql::{
    Address, Allowances, CancelToken, Credential, Holder, Mysql, OneKey, Opening, RowsId, ServerSettings,
    SessionWall, SqlDriver as _, SqlSession, TlsMode, TlsSettings,
};
use cofferdam_ids::{AttemptNo, DispatchId, Fence, ProjectId, RunId, TaskId};
use cofferdam_servers::MariaDb;
use cofferdam_vault::Secret;

pub(crate) type Session = Box<dyn SqlSession>;

/// The server all tests share that do not stop it. Its guardian ends it with this process.
pub(crate) fn server() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(MariaDb::start)
}

pub(crate) fn settings(server: &MariaDb) -> ServerSettings {
    ServerSettings {
        address: Address::Tcp { host: "localhost".to_owned(), port: server.port() },
        database: "shop".to_owned(),
        schema: "shop".to_owned(),
        tls: TlsSettings { mode: TlsMode::VerifyFull, ca: Some(server.ca_file()) },
        allow: Allowances::default(),
        connections: 64,
        statement_timeout: Duration::from_secs(60),
        lock_timeout: Duration::from_secs(20),
        zone_of_server: false,
        owner_tag: "0a1b2c3d".to_owned(),
        fence_schema: "cofferdam".to_owned(),
    }
}

pub(crate) fn credential(user: &str) -> Credential {
    let password = Some(Secret::new(MariaDb::password(user).into_bytes()));
    Credential { user: user.to_owned(), password }
}

/// A gateway that logs in as `user` for every mode.
pub(crate) fn gateway_with(settings: ServerSettings, user: &str) -> Arc<Mysql> {
    Arc::new(Mysql::new(settings, Arc::new(OneKey::new(credential(user)))))
}

pub(crate) fn gateway(user: &str) -> Arc<Mysql> {
    gateway_with(settings(server()), user)
}

pub(crate) fn try_open(driver: &Mysql, access: Access) -> Result<Session, Refusal> {
    open_as(driver, access, &CancelToken::default(), Holder::operator())
}

pub(crate) fn open_as(
    driver: &Mysql,
    access: Access,
    cancel: &CancelToken,
    holder: Holder,
) -> Result<Session, Refusal> {
    driver.open(Opening { access, wall: SessionWall::everything(), cancel, holder })
}

/// A session that writes.
pub(crate) fn writer() -> Session {
    try_open(&gateway("writer"), Access::Write).unwrap()
}

pub(crate) fn reader() -> Session {
    try_open(&gateway("reader"), Access::Read).unwrap()
}

/// An attempt of a task.
pub(crate) fn holder(task: &str, run: u64, fence: u64) -> Holder {
    let id = |n: u64| format!("00000000-0000-0000-0000-{n:012}");
    Holder {
        project: ProjectId::new("prj_shop").unwrap(),
        run: RunId::new(format!("run_{}", id(run))).unwrap(),
        task: TaskId::new(task).unwrap(),
        attempt: AttemptNo(1),
        dispatch: DispatchId::new(id(fence)).unwrap(),
        fence: Fence(fence),
    }
}

pub(crate) fn run(session: &mut Session, text: &str) -> u64 {
    session.execute(text, &[]).unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub(crate) fn refused(session: &mut Session, text: &str) -> Refusal {
    session.execute(text, &[]).expect_err(text)
}

pub(crate) fn frames(session: &mut Session, rows: RowsId) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut frames = Vec::new();
    loop {
        let mut frame = Vec::new();
        match session.next_frame(rows, &mut frame)? {
            Some(_) => frames.push(frame),
            None => return Ok(frames),
        }
    }
}

pub(crate) fn batches(frames: &[Vec<u8>]) -> Vec<RecordBatch> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    for frame in frames {
        assert!(frame.len() <= FRAME_BYTES_MAX, "{} bytes", frame.len());
        let mut buffer = Buffer::from(frame.as_slice());
        while !buffer.is_empty() {
            batches.extend(decoder.decode(&mut buffer).unwrap());
        }
    }
    decoder.finish().unwrap();
    batches
}

pub(crate) fn try_query(
    session: &mut Session,
    text: &str,
) -> Result<(Vec<Column>, Vec<RecordBatch>), Refusal> {
    let (rows, columns) = session.query(text, &[])?;
    let frames = frames(session, rows);
    session.close_rows(rows);
    Ok((columns, batches(&frames?)))
}

pub(crate) fn query(session: &mut Session, text: &str) -> (Vec<Column>, Vec<RecordBatch>) {
    try_query(session, text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// The only value of the only row, as text.
pub(crate) fn one(session: &mut Session, text: &str) -> String {
    let (_, batches) = query(session, text);
    shown(batches.iter().find(|b| b.num_rows() > 0).unwrap_or_else(|| panic!("{text}: no row")), 0)
}

/// The values of a batch's column, as text, one line each.
pub(crate) fn shown(batch: &RecordBatch, column: usize) -> String {
    use arrow_array::{Array as _, cast::AsArray as _, types as t};
    use arrow_schema::DataType as D;
    let array = batch.column(column);
    let value = |row: usize| {
        if array.is_null(row) {
            return "NULL".to_owned();
        }
        match array.data_type() {
            D::Int64 => array.as_primitive::<t::Int64Type>().value(row).to_string(),
            D::Float64 => format!("{:?}", array.as_primitive::<t::Float64Type>().value(row)),
            D::Utf8 => array.as_string::<i32>().value(row).to_owned(),
            D::Binary => format!("{:02x?}", array.as_binary::<i32>().value(row)),
            D::Date32 => array.as_primitive::<t::Date32Type>().value(row).to_string(),
            D::Time64(_) => array.as_primitive::<t::Time64MicrosecondType>().value(row).to_string(),
            D::Timestamp(..) => array.as_primitive::<t::TimestampMicrosecondType>().value(row).to_string(),
            D::Decimal128(..) => array.as_primitive::<t::Decimal128Type>().value_as_string(row),
            D::Decimal256(..) => array.as_primitive::<t::Decimal256Type>().value_as_string(row),
            other => panic!("{other}"),
        }
    };
    (0..batch.num_rows()).map(value).collect::<Vec<_>>().join("\n")
}
