-- Which session token a revocation is about.
ALTER TABLE journal ADD COLUMN token_id INTEGER NOT NULL DEFAULT 0;

-- Persistent session tokens that were made, so that no id is used twice: the contract knows only which are revoked. The
-- tokens themselves are not here.
CREATE TABLE tokens (
    wallet     TEXT    NOT NULL, -- chain id and address
    provider   TEXT    NOT NULL,
    generation INTEGER NOT NULL, -- of the sub-account
    token_id   INTEGER NOT NULL, -- 0 to 254
    label      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, -- 0: never
    PRIMARY KEY (wallet, provider, generation, token_id)
) STRICT, WITHOUT ROWID;
