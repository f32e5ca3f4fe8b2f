-- Transfers from the ledger to sub-accounts. A row is on disk, synced, before its transaction is broadcast.
CREATE TABLE topups (
    id         INTEGER PRIMARY KEY,
    provider   TEXT    NOT NULL,
    amount     TEXT    NOT NULL, -- neuron
    nonce      INTEGER NOT NULL,
    state      TEXT    NOT NULL, -- signed, mined, reverted, superseded (somebody else used the nonce)
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    reason     TEXT
) STRICT;

-- A wallet has one transaction under way at most.
CREATE UNIQUE INDEX topups_one_signed ON topups (state) WHERE state = 'signed';
CREATE INDEX topups_by_time ON topups (created_at);

-- Every transaction ever signed for a top-up; all of one top-up share its nonce, so at most one of them takes effect.
CREATE TABLE topup_txs (
    hash         TEXT    PRIMARY KEY,
    topup_id     INTEGER NOT NULL REFERENCES topups (id),
    raw          BLOB    NOT NULL,
    fee_cap      TEXT    NOT NULL, -- neuron per gas
    tip_cap      TEXT    NOT NULL, -- neuron per gas
    gas_limit    INTEGER NOT NULL,
    broadcast_at INTEGER,          -- the first time
    block        INTEGER,          -- the one that was mined: where …
    gas_cost     TEXT              -- … and what it cost, neuron
) STRICT;
CREATE INDEX topup_txs_by_topup ON topup_txs (topup_id);
