-- Parked decisions can be judged again (R12).

ALTER TABLE decisions
    ADD COLUMN first_version int,
    ADD COLUMN attempts      int NOT NULL DEFAULT 1;
COMMENT ON COLUMN decisions.first_version IS 'of a retried decision: program version that considered the rule first, of which `version` may differ; for verification';
COMMENT ON COLUMN decisions.attempts IS 'how often the rule was judged: 1, and one more for each retry (R12)';
COMMENT ON COLUMN decisions.decided_at IS 'when it was decided, of a retried decision the last time (real clock)';
COMMENT ON COLUMN decisions.version IS 'program version that decided, of a retried decision the last time; 0 before the first';
