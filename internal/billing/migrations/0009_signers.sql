-- One owner of the signer: the pin has the service's own signer on chain too, which was kept with the account until now.
ALTER TABLE trust ADD COLUMN settler TEXT;
UPDATE trust SET settler = (SELECT a.signer FROM accounts a WHERE a.provider = trust.provider AND a.signer <> '')
	WHERE pinned_at IS NOT NULL;
UPDATE trust SET settler = signer WHERE settler IS NULL AND pinned_at IS NOT NULL AND source = 'service';
ALTER TABLE accounts DROP COLUMN signer;

-- Who signed the answer for which a provider is suspended, where the chain did not name that signer.
ALTER TABLE trust ADD COLUMN stranger TEXT;

-- Every signer that the owner began with or accepted. A provider that is upgraded and later started again as it was signs with
-- one of them again, which needs no new question.
CREATE TABLE signers (
	provider    TEXT NOT NULL,
	signer      TEXT NOT NULL, -- '': the service signed nothing
	source      TEXT NOT NULL,
	settler     TEXT NOT NULL,
	accepted_at INTEGER NOT NULL, -- µs since 1970
	PRIMARY KEY (provider, signer, settler)
) STRICT, WITHOUT ROWID;
INSERT INTO signers SELECT provider, COALESCE(signer, ''), COALESCE(source, ''), settler, pinned_at FROM trust
	WHERE pinned_at IS NOT NULL AND settler IS NOT NULL;
