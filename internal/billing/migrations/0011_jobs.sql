-- Until when a job may run: its provider claims nothing for it before it is done. Set when the request is closed, lowered when
-- the end of the job was seen. NULL: it is no job, or costs nothing.
ALTER TABLE requests ADD COLUMN job_until INTEGER;
CREATE INDEX requests_jobs ON requests (job_until) WHERE job_until IS NOT NULL;

-- What headers of the answer said that are recorded and otherwise mean nothing: NAME=VALUE, one a line.
ALTER TABLE requests ADD COLUMN said TEXT;
