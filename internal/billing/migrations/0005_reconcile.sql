-- What was taken on chain for a request, and by which transaction. NULL: not yet.
ALTER TABLE requests ADD COLUMN settled TEXT;
ALTER TABLE requests ADD COLUMN settlement TEXT;

-- Every debit of a sub-account, once.
CREATE TABLE settlements (
    tx        TEXT    NOT NULL,
    log_index INTEGER NOT NULL, -- in its block; -1: no event was seen, the balance told
    provider  TEXT    NOT NULL,
    amount    TEXT    NOT NULL,
    block     INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL,
    PRIMARY KEY (tx, log_index)
) STRICT, WITHOUT ROWID;

-- Where matching a provider's debits with the book stands. debited = carried off + settled requests + unmatched.
CREATE TABLE accounts (
    provider        TEXT PRIMARY KEY,
    block           INTEGER NOT NULL, -- up to which debits are counted
    balance         TEXT    NOT NULL, -- at that block
    pending         TEXT    NOT NULL, -- refund under way at that block
    before          TEXT    NOT NULL, -- fees of requests from before matching began
    carried         TEXT    NOT NULL, -- may be taken for something that is not matched: what was owed before, debits undone
    debited         TEXT    NOT NULL, -- taken since the book began
    settled         TEXT    NOT NULL, -- of that: matched with requests
    corrected       TEXT    NOT NULL, -- estimates of settled requests above what was taken for them
    unmatched       TEXT    NOT NULL, -- taken, and no request to match it with yet
    settled_through INTEGER NOT NULL, -- key of a request: those up to it are settled or free
    accepted        TEXT    NOT NULL, -- drift the owner has accepted
    reserve         TEXT    NOT NULL, -- what the provider said it wants left, last
    signer          TEXT    NOT NULL  -- the TEE signer first seen, or accepted by the owner since
) STRICT, WITHOUT ROWID;

-- The last readings of the outside world, to start from when it can't be reached.
CREATE TABLE snapshots (
    name    TEXT PRIMARY KEY,
    value   TEXT    NOT NULL, -- JSON
    read_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
