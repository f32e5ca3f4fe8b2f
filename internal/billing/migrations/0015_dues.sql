-- What a provider has still to take, in order. Without it, all later requests of other providers are read at every look at a provider
-- whose matching stands still.
CREATE INDEX requests_due ON requests (provider, opened_at) WHERE state != 'settled';
