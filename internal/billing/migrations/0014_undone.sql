-- A debit that a reorganisation took out of the chain. Its transaction may be mined again, and counts again then.
ALTER TABLE settlements ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
