-- What a receipt of an answer needs besides: enough to check its signature again without the provider. No content.
ALTER TABLE requests ADD COLUMN chain_block INTEGER;     -- at which provider, price and signer were read
ALTER TABLE requests ADD COLUMN centralized INTEGER;     -- 1: the provider relays to a cloud vendor; NULL: it does not
ALTER TABLE requests ADD COLUMN incomplete INTEGER;      -- 1: the answer was not read to its end; NULL: it was
ALTER TABLE requests ADD COLUMN images_sha256 BLOB;      -- digests of the decoded images, 32 bytes each, in order
ALTER TABLE requests ADD COLUMN expected_signer TEXT;    -- whose signature counted
ALTER TABLE requests ADD COLUMN signed_text TEXT;        -- as the provider gave it …
ALTER TABLE requests ADD COLUMN signature TEXT;          -- … with its signature
ALTER TABLE requests ADD COLUMN text_form TEXT;          -- of the signed text: plain, images, centralized, model
ALTER TABLE requests ADD COLUMN byte_form TEXT;          -- in which the answer was found signed: wire, images, pydefault, …
ALTER TABLE requests ADD COLUMN reencoded INTEGER;       -- 1: not the bytes sent but their canonical form was signed

-- Of older requests it is not known; what went wrong was not read to its end.
UPDATE requests SET incomplete = 1 WHERE state IN ('open', 'abandoned') OR error IS NOT NULL OR reason IN ('truncated', 'no_answer');

-- Whom the owner trusts as what: the provider as it was first used or accepted last (pinned_at NULL: not yet), and why it
-- gets nothing any more (suspended_at NULL: it does).
CREATE TABLE trust (
    provider     TEXT PRIMARY KEY,
    signer       TEXT,    -- whose signature counts; NULL: the service signs nothing
    source       TEXT,    -- where that is named: service, target
    url          TEXT,
    pinned_at    INTEGER,
    code         TEXT,
    reason       TEXT,
    request_id   TEXT,    -- whose answer showed it; NULL: the chain did
    suspended_at INTEGER
) STRICT, WITHOUT ROWID;
