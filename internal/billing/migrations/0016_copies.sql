-- A copy of the store says as of when it is …
CREATE TABLE backups (
    made_at INTEGER PRIMARY KEY
) STRICT;

-- … and one that was put in the place of a store, when that was. What happened between the two, and what another copy has
-- done since, it does not know.
CREATE TABLE restores (
    restored_at INTEGER PRIMARY KEY,
    made_at     INTEGER NOT NULL,            -- as of when the copy is; 0: it does not say
    wallets     TEXT    NOT NULL DEFAULT '', -- whose nonces it had compared with the chain, each between bars
    agreed_at   INTEGER,                     -- since when the chain has no transaction of the wallet that the journal does not have
    settled_at  INTEGER,                     -- that has lasted for long enough
    wallet      TEXT    NOT NULL DEFAULT '', -- whose
    accepted_at INTEGER                      -- by the owner, whatever it does not know
) STRICT;
