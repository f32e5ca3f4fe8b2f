-- What one transaction takes several of: further providers of a retrieval, and the session tokens that are revoked. Both are
-- lists with spaces between, empty where there are none.
ALTER TABLE journal ADD COLUMN also TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN token_ids TEXT NOT NULL DEFAULT '';
UPDATE journal SET token_ids = CAST(token_id AS TEXT) WHERE kind = 'revoke';
ALTER TABLE journal DROP COLUMN token_id;
