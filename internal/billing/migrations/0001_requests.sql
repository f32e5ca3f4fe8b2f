-- One row per request that was admitted. Times are microseconds since 1970 UTC. Money is decimal text of neuron
-- (10^-18 0G), because SQLite's integers have 64 bits.
CREATE TABLE requests (
    -- When the request was admitted, moved on by a few microseconds where needed to be unique. Being the key, it keeps
    -- new rows together at the end of the table and makes a range of time a range of the table.
    opened_at       INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL,
    closed_at       INTEGER,
    state           TEXT    NOT NULL DEFAULT 'open', -- open, closed, abandoned (the process ended), settled
    basis           TEXT,                            -- exact, estimated, free; NULL while open
    reason          TEXT,                            -- why it is estimated
    key             TEXT    NOT NULL,                -- which local key was used; empty where none is asked for
    route           TEXT    NOT NULL,
    service_type    TEXT    NOT NULL,
    provider        TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    stream          INTEGER NOT NULL,
    status          INTEGER,                         -- HTTP status of the provider; 0: no answer
    bound           TEXT    NOT NULL,                -- upper bound of the fee, held while open
    fee             TEXT,
    price_in        TEXT    NOT NULL,
    price_out       TEXT    NOT NULL,
    input_tokens    INTEGER,
    output_tokens   INTEGER,
    cached_tokens   INTEGER,
    images          INTEGER,
    seconds         REAL,                            -- of audio
    request_sha256  BLOB,
    response_sha256 BLOB,
    request_bytes   INTEGER,
    response_bytes  INTEGER,
    res_key         TEXT,
    chat_id         TEXT,
    first_byte_us   INTEGER,
    total_us        INTEGER,
    error           TEXT,                            -- category of what went wrong
    verdict         TEXT,
    verdict_code    TEXT,
    signer          TEXT,
    verdict_at      INTEGER
) STRICT;

CREATE UNIQUE INDEX requests_by_id ON requests (id);
CREATE INDEX requests_open ON requests (opened_at) WHERE state = 'open';

-- The sums of everything that is no longer open, kept in the same transaction as the rows they sum, so that a start does
-- not have to read the whole history.
CREATE TABLE totals (
    provider TEXT PRIMARY KEY,
    fees     TEXT    NOT NULL,
    requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
