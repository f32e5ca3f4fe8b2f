-- The wallet's nonces that the chain has used, compared with the journal. One that is not in it was used by another program,
-- or by another copy of this directory.
CREATE TABLE nonces (
    wallet   TEXT    PRIMARY KEY,        -- chain id and address
    baseline INTEGER NOT NULL,           -- those below it were used before anything was compared
    agreed   INTEGER NOT NULL,           -- each one below it is accounted for: ours, from before, or foreign and on record
    block    INTEGER NOT NULL,           -- no more than that were used at this block; 0: not known
    unlisted INTEGER NOT NULL DEFAULT 0, -- foreign ones that were too many to list and that nobody has accepted
    since    INTEGER                     -- when the first was noticed that nobody has accepted; NULL: there is none
) STRICT;

CREATE TABLE foreign_txs (
    wallet      TEXT    NOT NULL,
    nonce       INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    after_block INTEGER NOT NULL,           -- it was not mined yet at this block; 0: not known
    gone        INTEGER NOT NULL DEFAULT 0, -- the chain does not have it any more
    accepted_at INTEGER,                    -- by the owner
    -- What it did, once it was found. Without a block it has not been, or has to be found again.
    hash        TEXT,
    block       INTEGER,
    mined_at    INTEGER,
    kind        TEXT    NOT NULL DEFAULT '',  -- as in the journal; empty: nothing that zgproxy does
    provider    TEXT    NOT NULL DEFAULT '',
    amount      TEXT    NOT NULL DEFAULT '0', -- neuron; of a transfer or deposit that took effect, else 0
    opening     INTEGER NOT NULL DEFAULT 0,   -- a transfer that opened the sub-account, as far as the store can tell
    ok          INTEGER NOT NULL DEFAULT 0,   -- it did not revert
    PRIMARY KEY (wallet, nonce)
) STRICT, WITHOUT ROWID;
