-- Timers (J7, M4). Ten millions of them may be parked: what is due is found by its time alone, without regard to the tenant
-- where the real clock goes for all of them; a run's own by the run.
CREATE TABLE timers (
    tenant_id      text        NOT NULL,
    run_id         uuid        NOT NULL,
    occurrence_key text        NOT NULL,
    stage          text        NOT NULL,
    after_stage    text        NOT NULL,
    journey        text        NOT NULL,
    campaign_id    text        NOT NULL,
    contact_id     uuid        NOT NULL,
    cause_id       uuid        NOT NULL,
    due_at         timestamptz NOT NULL,
    failure        text,
    n              bigint      GENERATED ALWAYS AS IDENTITY (CACHE 1),
    sandbox        boolean     GENERATED ALWAYS AS (tenant_id LIKE 'test-%') STORED,
    PRIMARY KEY (tenant_id, run_id, occurrence_key, stage, after_stage)
);
CREATE INDEX timers_due ON timers (due_at, n) WHERE NOT sandbox AND failure IS NULL;
CREATE INDEX timers_of_sandboxes ON timers (tenant_id, due_at, n) WHERE sandbox AND failure IS NULL;
CREATE INDEX timers_set_aside ON timers (tenant_id) WHERE failure IS NOT NULL;
COMMENT ON TABLE timers IS 'timers that are set (J7); gone once fired or moot';
COMMENT ON COLUMN timers.tenant_id IS 'whose';
COMMENT ON COLUMN timers.run_id IS 'the run';
COMMENT ON COLUMN timers.occurrence_key IS 'key of the transition that set it; empty for none';
COMMENT ON COLUMN timers.stage IS 'the stage it enters';
COMMENT ON COLUMN timers.after_stage IS 'the stage that set it';
COMMENT ON COLUMN timers.journey IS 'the run''s journey';
COMMENT ON COLUMN timers.campaign_id IS 'the run''s campaign; empty if none';
COMMENT ON COLUMN timers.contact_id IS 'the run''s contact';
COMMENT ON COLUMN timers.cause_id IS 'the transition that set it; its order is the timer''s';
COMMENT ON COLUMN timers.due_at IS 'when it fires (business time)';
COMMENT ON COLUMN timers.failure IS 'why it could not be fired, and is set aside until the service starts again; null for all others';
COMMENT ON COLUMN timers.n IS 'timers of one moment fire as they were set';
COMMENT ON COLUMN timers.sandbox IS 'whether it goes by a test clock (M4)';

-- timers enter stages (5), and history is backfilled (6)
ALTER TABLE transitions DROP CONSTRAINT transitions_cause_check, ADD CONSTRAINT transitions_cause_check CHECK (cause BETWEEN 1 AND 6);
COMMENT ON COLUMN transitions.cause IS '1 call, 2 trigger, 3 waited, 4 inferred, 5 timer, 6 backfilled';
COMMENT ON COLUMN transitions.cause_event_id IS 'the event that made it, with a timer the transition that set it; null for a call';

-- of one transition several timers may come to wait, each for a stage of its own
DROP INDEX transitions_by_cause;
CREATE UNIQUE INDEX transitions_by_cause ON transitions (tenant_id, cause_event_id, run_id) WHERE cause = 2;
ALTER TABLE waiting_entries DROP CONSTRAINT waiting_entries_pkey;
ALTER TABLE waiting_entries ADD PRIMARY KEY (tenant_id, contact_id, campaign_id, journey, cause_event_id, stage);
COMMENT ON TABLE waiting_entries IS 'entries by trigger or timer that wait for a missing stage (J4); gone once made or refused';
COMMENT ON COLUMN waiting_entries.cause_event_id IS 'the event that wants it, or the transition that set the timer';
