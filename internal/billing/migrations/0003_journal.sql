-- Top-ups become one kind of entry in a journal of everything that the wallet signs: whoever moves money by hand goes
-- through the same rows, so that there is one nonce under way at most.
ALTER TABLE topups RENAME TO journal;
ALTER TABLE topup_txs RENAME TO journal_txs;
ALTER TABLE journal_txs RENAME COLUMN topup_id TO entry_id;

-- transfer, deposit, retrieve, refund, acknowledge. Where none is concerned, the provider is empty.
ALTER TABLE journal ADD COLUMN kind TEXT NOT NULL DEFAULT 'transfer';
ALTER TABLE journal ADD COLUMN origin TEXT NOT NULL DEFAULT 'auto';     -- auto: the keeper; hand: a command of the owner
ALTER TABLE journal ADD COLUMN opening INTEGER NOT NULL DEFAULT 0;      -- a transfer that opens the sub-account
ALTER TABLE journal ADD COLUMN wallet TEXT NOT NULL DEFAULT '';         -- chain id and address; nonces mean nothing without
ALTER TABLE journal_txs ADD COLUMN cancels INTEGER NOT NULL DEFAULT 0;  -- moves nothing: it only uses up the nonce

DROP INDEX topups_one_signed;
CREATE UNIQUE INDEX journal_one_signed ON journal (wallet) WHERE state = 'signed';
CREATE INDEX journal_by_nonce ON journal (wallet, nonce);
DROP INDEX topups_by_time;
CREATE INDEX journal_by_time ON journal (created_at);
DROP INDEX topup_txs_by_topup;
CREATE INDEX journal_txs_by_entry ON journal_txs (entry_id);
