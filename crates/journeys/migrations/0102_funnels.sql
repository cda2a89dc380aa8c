-- Funnels by cohort, times in stages, and since when runs stand where they stand (J11).
CREATE TABLE contact_segments (
    tenant_id  text NOT NULL,
    contact_id uuid NOT NULL,
    segment_id text NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, segment_id)
);
COMMENT ON TABLE contact_segments IS 'who is in which segment, as attribution has told';
COMMENT ON COLUMN contact_segments.tenant_id IS 'whose';
COMMENT ON COLUMN contact_segments.contact_id IS 'the contact';
COMMENT ON COLUMN contact_segments.segment_id IS 'a segment that it is in';

ALTER TABLE runs
    ADD COLUMN segments      text[]      NOT NULL DEFAULT '{}',
    ADD COLUMN current_since timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN current_key   text        NOT NULL DEFAULT '';
COMMENT ON COLUMN runs.segments IS 'segments of the contact when it started, sorted';
COMMENT ON COLUMN runs.current_since IS 'when the stage entered last was entered (business time)';
COMMENT ON COLUMN runs.current_key IS 'under which occurrence key it was; empty for none';
UPDATE runs r SET current_since = t.occurred_at, current_key = t.occurrence_key
  FROM transitions t
 WHERE t.tenant_id = r.tenant_id AND t.run_id = r.run_id AND t.number = r.transitions;

-- Who is stuck: the runs of a stage in the order of their entry. It indexes columns that change with every transition, so
-- updates of runs under way are not HOT any more: measured on 400,000 runs, 256 at a time, a run costs 124 us of Postgres
-- instead of 78 (and 600 bytes of WAL instead of 270). A narrow table beside it, with the run's row kept HOT, cost 136 and had
-- to be kept in step by everybody who moves a run; without either, the question reads every run that has not ended.
CREATE INDEX runs_by_standing ON runs (tenant_id, journey, current_stage, current_since, run_id) WHERE NOT ended;

-- The counters that were there become those of campaigns.
ALTER TABLE funnel
    ADD COLUMN segment_id text NOT NULL DEFAULT '',
    ADD COLUMN day        date NOT NULL DEFAULT '0001-01-01',
    ADD COLUMN version    int  NOT NULL DEFAULT 0,
    DROP CONSTRAINT funnel_pkey,
    ADD PRIMARY KEY (tenant_id, journey, segment_id, day, campaign_id, version, stage);
COMMENT ON COLUMN funnel.segment_id IS 'segment of the contacts when the runs started; empty for all runs, whatever their segments';
COMMENT ON COLUMN funnel.day IS 'the day on which the runs started (business time, UTC); 0001-01-01 beside version 0';
COMMENT ON COLUMN funnel.campaign_id IS 'campaign of the runs; empty if none; * beside version 0 for all runs of the journey';
COMMENT ON COLUMN funnel.version IS 'version that the runs started under; 0 for all runs of the campaign';
-- Runs that are there get their cohorts, without segments and times, which nobody has remembered. What depends on the order of
-- the stages is in their definitions: it is counted when the service starts.
INSERT INTO funnel (tenant_id, journey, segment_id, day, campaign_id, version, stage, entered, transitions,
                    converted_from_previous, converted_from_first, dropped_off, still_there)
SELECT c.tenant_id, c.journey, '', c.day, c.campaign_id, c.version, c.stage, count(DISTINCT c.run_id), sum(c.transitions),
       0, 0, 0, 0
  FROM (SELECT r.tenant_id, r.journey, (r.started_at AT TIME ZONE 'UTC')::date AS day, r.campaign_id, r.version, r.run_id,
               t.to_stage AS stage, 1 AS transitions
          FROM runs r JOIN transitions t USING (tenant_id, run_id)
         UNION ALL
        SELECT tenant_id, journey, (started_at AT TIME ZONE 'UTC')::date, campaign_id, version, run_id, '', transitions
          FROM runs) c
 GROUP BY 1, 2, 4, 5, 6, 7;
INSERT INTO funnel (tenant_id, journey, campaign_id, stage, entered, transitions, converted_from_previous,
                    converted_from_first, dropped_off, still_there)
SELECT tenant_id, journey, '*', stage, sum(entered), sum(transitions), 0, 0, 0, 0
  FROM funnel WHERE version = 0 GROUP BY 1, 2, 4;
ALTER TABLE journeys ADD COLUMN recount boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN journeys.recount IS 'its funnel is to be counted anew when the service starts';
UPDATE journeys SET recount = true;

CREATE TABLE funnel_times (
    tenant_id   text     NOT NULL,
    journey     text     NOT NULL,
    segment_id  text     NOT NULL,
    day         date     NOT NULL,
    campaign_id text     NOT NULL,
    version     int      NOT NULL,
    stage       text     NOT NULL,
    chunk       int      NOT NULL,
    counts      bigint[] NOT NULL CHECK (array_length(counts, 1) = 32),
    PRIMARY KEY (tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk)
) WITH (fillfactor = 50);
COMMENT ON TABLE funnel_times IS 'how many entries were left after what time, in buckets of 1 % (J11)';
COMMENT ON COLUMN funnel_times.tenant_id IS 'whose';
COMMENT ON COLUMN funnel_times.journey IS 'key of the journey';
COMMENT ON COLUMN funnel_times.segment_id IS 'as in funnel';
COMMENT ON COLUMN funnel_times.day IS 'as in funnel';
COMMENT ON COLUMN funnel_times.campaign_id IS 'as in funnel';
COMMENT ON COLUMN funnel_times.version IS 'as in funnel';
COMMENT ON COLUMN funnel_times.stage IS 'the stage that was left';
COMMENT ON COLUMN funnel_times.chunk IS 'which 32 buckets: 32 * chunk and those behind it';
COMMENT ON COLUMN funnel_times.counts IS 'entries by bucket';
