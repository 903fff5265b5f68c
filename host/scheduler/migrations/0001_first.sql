-- Times are milliseconds since 1970 in UTC, on this database's clock. States are the API's words.

CREATE TABLE clients (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('executor', 'person')),
    name        TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL,
    keys_max    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;

CREATE TABLE tokens (
    sha256      BLOB PRIMARY KEY,
    client      TEXT NOT NULL REFERENCES clients (id),
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_expiry ON tokens (expires_at);

CREATE TABLE projects (
    id          TEXT PRIMARY KEY,
    root_sha256 TEXT NOT NULL,
    envelope    BLOB NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;

CREATE TABLE releases (
    sha256      TEXT PRIMARY KEY,
    project     TEXT NOT NULL REFERENCES projects (id),
    seq         INTEGER NOT NULL,
    issued_at   INTEGER NOT NULL,
    tasks       INTEGER NOT NULL,
    jobs        TEXT NOT NULL,
    envelope    BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (project, seq)
) STRICT;

-- One executor is one key. It belongs to the client that enrolled it, in one cluster, pool and role.
CREATE TABLE executors (
    id           TEXT PRIMARY KEY,
    client       TEXT NOT NULL REFERENCES clients (id),
    public       TEXT NOT NULL,
    name         TEXT NOT NULL,
    cluster      TEXT NOT NULL,
    pool         TEXT NOT NULL,
    role         TEXT NOT NULL,
    version      TEXT NOT NULL,
    slots        INTEGER NOT NULL,
    enrolled_at  INTEGER NOT NULL,
    boot         TEXT,
    poll_seq     INTEGER NOT NULL DEFAULT 0,
    last_poll_at INTEGER,
    ledger_size  INTEGER,
    ledger_head  TEXT,
    last_report  TEXT
) STRICT;

CREATE INDEX executors_by_client ON executors (client);

-- Starts of an executor seen before: a poll of any but the latest is a replay.
CREATE TABLE executor_boots (
    executor TEXT NOT NULL REFERENCES executors (id) ON DELETE CASCADE,
    boot     TEXT NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (executor, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id              TEXT PRIMARY KEY,
    project         TEXT NOT NULL REFERENCES projects (id),
    release_sha256  TEXT NOT NULL REFERENCES releases (sha256),
    release_seq     INTEGER NOT NULL,
    job             TEXT,
    environment     TEXT NOT NULL,
    role            TEXT NOT NULL,
    params          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    requested_by    TEXT NOT NULL,
    client          TEXT NOT NULL,
    idempotency_key TEXT,
    state           TEXT NOT NULL,
    cancelled       INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    UNIQUE (client, idempotency_key)
) STRICT;

CREATE INDEX runs_under_way ON runs (id) WHERE state = 'running';

CREATE TABLE run_tasks (
    run           TEXT NOT NULL REFERENCES runs (id),
    place         INTEGER NOT NULL,
    task          TEXT NOT NULL,
    state         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    fence         INTEGER NOT NULL,
    ready_at      INTEGER NOT NULL,
    lease_id      TEXT,
    dispatch_id   TEXT,
    expires_at    INTEGER,
    executor      TEXT,
    code          TEXT,
    because       INTEGER,
    started_at    INTEGER,
    ended_at      INTEGER,
    duration_s    INTEGER,
    rows_affected INTEGER,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_tasks_leased ON run_tasks (executor) WHERE state = 'leased';

-- Attempts that are over. Kept, so that a report that is repeated gets the same answer.
CREATE TABLE attempts (
    lease_id TEXT PRIMARY KEY,
    run      TEXT NOT NULL,
    place    INTEGER NOT NULL,
    executor TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    fence    INTEGER NOT NULL,
    state    TEXT,
    code     TEXT,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('fence', 0);
