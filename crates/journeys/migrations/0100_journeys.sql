-- Journeys: definitions, runs, transitions, and what is known of the services upstream.
CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are immutable', TG_TABLE_NAME;
END $$;

CREATE TABLE journeys (
    tenant_id       text   NOT NULL,
    journey         text   NOT NULL,
    current_version int    NOT NULL,
    campaign_mode   text   NOT NULL CHECK (campaign_mode IN ('all', 'none', 'listed')),
    campaigns       text[] NOT NULL,
    PRIMARY KEY (tenant_id, journey)
);
COMMENT ON TABLE journeys IS 'journeys at the version in force, and the campaigns they are applied to (J14)';
COMMENT ON COLUMN journeys.tenant_id IS 'whose';
COMMENT ON COLUMN journeys.journey IS 'key of the journey';
COMMENT ON COLUMN journeys.current_version IS 'the version in force';
COMMENT ON COLUMN journeys.campaign_mode IS 'all campaigns, none (what has no campaign), or those listed';
COMMENT ON COLUMN journeys.campaigns IS 'with listed: which';

CREATE TABLE journey_versions (
    tenant_id  text        NOT NULL,
    journey    text        NOT NULL,
    version    int         NOT NULL,
    definition text        NOT NULL,
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, journey, version),
    FOREIGN KEY (tenant_id, journey) REFERENCES journeys
);
CREATE TRIGGER journey_versions_immutable BEFORE UPDATE ON journey_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();
COMMENT ON TABLE journey_versions IS 'published definitions; immutable (J1)';
COMMENT ON COLUMN journey_versions.tenant_id IS 'whose';
COMMENT ON COLUMN journey_versions.journey IS 'key of the journey';
COMMENT ON COLUMN journey_versions.version IS 'counts from 1';
COMMENT ON COLUMN journey_versions.definition IS 'YAML as it was applied';
COMMENT ON COLUMN journey_versions.applied_at IS 'when (real clock)';

-- Found by contact and campaign, so that one look-up brings all an event can act on. No changing column is indexed,
-- and pages keep room: updates stay within their page.
CREATE TABLE runs (
    tenant_id     text        NOT NULL,
    run_id        uuid        NOT NULL,
    journey       text        NOT NULL,
    campaign_id   text        NOT NULL,
    contact_id    uuid        NOT NULL,
    generation    int         NOT NULL,
    version       int         NOT NULL,
    ended         boolean     NOT NULL,
    current_stage text        NOT NULL,
    stages        text[]      NOT NULL,
    transitions   int         NOT NULL,
    started_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id),
    UNIQUE (tenant_id, contact_id, campaign_id, journey, generation)
) WITH (fillfactor = 80);
COMMENT ON TABLE runs IS 'contacts'' ways through journeys (J3)';
COMMENT ON COLUMN runs.tenant_id IS 'whose';
COMMENT ON COLUMN runs.run_id IS 'UUIDv7';
COMMENT ON COLUMN runs.journey IS 'key of the journey';
COMMENT ON COLUMN runs.campaign_id IS 'the campaign; empty if none';
COMMENT ON COLUMN runs.contact_id IS 'whose way';
COMMENT ON COLUMN runs.generation IS 'from 1; above that, started again after a terminal stage';
COMMENT ON COLUMN runs.version IS 'version of the journey that it started under';
COMMENT ON COLUMN runs.ended IS 'ended by a terminal stage without occurrence key (J6)';
COMMENT ON COLUMN runs.current_stage IS 'the stage entered last';
COMMENT ON COLUMN runs.stages IS 'the stages entered, each once, in the order of their first entry';
COMMENT ON COLUMN runs.transitions IS 'how many transitions it has';
COMMENT ON COLUMN runs.started_at IS 'time of its first transition (business time)';

CREATE TABLE transitions (
    tenant_id         text        NOT NULL,
    transition_id     uuid        NOT NULL,
    run_id            uuid        NOT NULL,
    number            int         NOT NULL,
    journey_version   int         NOT NULL,
    from_stage        text,
    to_stage          text        NOT NULL,
    occurrence_key    text        NOT NULL,
    cause             smallint    NOT NULL CHECK (cause BETWEEN 1 AND 4),
    cause_event_id    uuid,
    advocate_id       uuid,
    attribution_id    uuid,
    order_id          text,
    source            text,
    revenue_minor     bigint,
    refunded_minor    bigint,
    currency          text,
    external_status   text,
    hubspot_dealstage text,
    ordered_at        timestamptz,
    occurred_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, transition_id),
    UNIQUE (tenant_id, run_id, occurrence_key, to_stage)
);
-- an event enters at most one stage of a run (J7); the steps it fills in come beside that
CREATE UNIQUE INDEX transitions_by_cause ON transitions (tenant_id, cause_event_id, run_id) WHERE cause IN (2, 3);
CREATE TRIGGER transitions_immutable BEFORE UPDATE ON transitions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();
COMMENT ON TABLE transitions IS 'entries of runs into stages; immutable (J9)';
COMMENT ON COLUMN transitions.tenant_id IS 'whose';
COMMENT ON COLUMN transitions.transition_id IS 'UUIDv7; also the id of the event that tells of it';
COMMENT ON COLUMN transitions.run_id IS 'the run; journey, campaign and contact are there';
COMMENT ON COLUMN transitions.number IS 'its number within the run, from 1';
COMMENT ON COLUMN transitions.journey_version IS 'the journey''s version that made it';
COMMENT ON COLUMN transitions.from_stage IS 'the stage entered before; null for the first';
COMMENT ON COLUMN transitions.to_stage IS 'the stage entered';
COMMENT ON COLUMN transitions.occurrence_key IS 'the order id unless the caller gave another (J5); empty for none';
COMMENT ON COLUMN transitions.cause IS '1 call, 2 trigger, 3 waited, 4 inferred';
COMMENT ON COLUMN transitions.cause_event_id IS 'the event that made it; null for a call';
COMMENT ON COLUMN transitions.advocate_id IS 'advocate of that attribution; null if none';
COMMENT ON COLUMN transitions.attribution_id IS 'the order''s attribution, or without an order the one in force; null if none';
COMMENT ON COLUMN transitions.order_id IS 'the order it was entered for; null, with the columns to ordered_at, if none';
COMMENT ON COLUMN transitions.source IS 'the system the order comes from';
COMMENT ON COLUMN transitions.revenue_minor IS 'revenue before refunds, in minor units';
COMMENT ON COLUMN transitions.refunded_minor IS 'refunded by then, in minor units';
COMMENT ON COLUMN transitions.currency IS 'ISO 4217 code of both amounts';
COMMENT ON COLUMN transitions.external_status IS 'the order''s state in the caller''s system';
COMMENT ON COLUMN transitions.hubspot_dealstage IS 'the order''s deal stage in HubSpot';
COMMENT ON COLUMN transitions.ordered_at IS 'when the order was placed (business time)';
COMMENT ON COLUMN transitions.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN transitions.recorded_at IS 'when it was recorded (real clock)';

CREATE TABLE waiting_entries (
    tenant_id         text        NOT NULL,
    contact_id        uuid        NOT NULL,
    campaign_id       text        NOT NULL,
    journey           text        NOT NULL,
    cause_event_id    uuid        NOT NULL,
    stage             text        NOT NULL,
    occurrence_key    text        NOT NULL,
    expected_stage    text        NOT NULL,
    advocate_id       uuid,
    attribution_id    uuid,
    order_id          text,
    source            text,
    revenue_minor     bigint,
    refunded_minor    bigint,
    currency          text,
    external_status   text,
    hubspot_dealstage text,
    ordered_at        timestamptz,
    occurred_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, campaign_id, journey, cause_event_id)
);
COMMENT ON TABLE waiting_entries IS 'entries by trigger that wait for a missing stage (J4); gone once made or refused';
COMMENT ON COLUMN waiting_entries.tenant_id IS 'whose';
COMMENT ON COLUMN waiting_entries.contact_id IS 'whose way';
COMMENT ON COLUMN waiting_entries.campaign_id IS 'the campaign; empty if none';
COMMENT ON COLUMN waiting_entries.journey IS 'key of the journey';
COMMENT ON COLUMN waiting_entries.cause_event_id IS 'the event that wants it';
COMMENT ON COLUMN waiting_entries.stage IS 'the stage to be entered';
COMMENT ON COLUMN waiting_entries.occurrence_key IS 'under this key; empty for none';
COMMENT ON COLUMN waiting_entries.expected_stage IS 'the stage to be entered first';
COMMENT ON COLUMN waiting_entries.advocate_id IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.attribution_id IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.order_id IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.source IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.revenue_minor IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.refunded_minor IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.currency IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.external_status IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.hubspot_dealstage IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.ordered_at IS 'as the transition will carry it';
COMMENT ON COLUMN waiting_entries.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN waiting_entries.recorded_at IS 'when it began to wait (real clock)';

CREATE TABLE refused_entries (
    tenant_id      text        NOT NULL,
    refused_id     uuid        NOT NULL,
    contact_id     uuid        NOT NULL,
    campaign_id    text        NOT NULL,
    journey        text        NOT NULL,
    cause_event_id uuid        NOT NULL,
    stage          text        NOT NULL,
    run_id         uuid,
    occurrence_key text        NOT NULL,
    reason         int         NOT NULL,
    expected_stage text        NOT NULL,
    detail         text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, refused_id),
    UNIQUE (tenant_id, contact_id, campaign_id, journey, cause_event_id, stage)
);
COMMENT ON TABLE refused_entries IS 'entries by trigger that could never be made (J4)';
COMMENT ON COLUMN refused_entries.tenant_id IS 'whose';
COMMENT ON COLUMN refused_entries.refused_id IS 'UUIDv7';
COMMENT ON COLUMN refused_entries.contact_id IS 'whose way';
COMMENT ON COLUMN refused_entries.campaign_id IS 'the campaign; empty if none';
COMMENT ON COLUMN refused_entries.journey IS 'key of the journey';
COMMENT ON COLUMN refused_entries.cause_event_id IS 'the event that wanted it';
COMMENT ON COLUMN refused_entries.stage IS 'the stage to be entered';
COMMENT ON COLUMN refused_entries.run_id IS 'the run; null if there was none';
COMMENT ON COLUMN refused_entries.occurrence_key IS 'under this key; empty for none';
COMMENT ON COLUMN refused_entries.reason IS 'number of the ErrorReason';
COMMENT ON COLUMN refused_entries.expected_stage IS 'the stage that was missing; empty if none was';
COMMENT ON COLUMN refused_entries.detail IS 'why a condition could not be evaluated; empty otherwise';
COMMENT ON COLUMN refused_entries.occurred_at IS 'when it happened (business time)';

CREATE TABLE funnel (
    tenant_id               text   NOT NULL,
    journey                 text   NOT NULL,
    campaign_id             text   NOT NULL,
    stage                   text   NOT NULL,
    entered                 bigint NOT NULL,
    transitions             bigint NOT NULL,
    converted_from_previous bigint NOT NULL,
    converted_from_first    bigint NOT NULL,
    dropped_off             bigint NOT NULL,
    still_there             bigint NOT NULL,
    PRIMARY KEY (tenant_id, journey, campaign_id, stage)
) WITH (fillfactor = 50);
COMMENT ON TABLE funnel IS 'exact counts, kept in the transaction that enters stages (J11)';
COMMENT ON COLUMN funnel.tenant_id IS 'whose';
COMMENT ON COLUMN funnel.journey IS 'key of the journey';
COMMENT ON COLUMN funnel.campaign_id IS 'campaign of the runs; empty if none';
COMMENT ON COLUMN funnel.stage IS 'the stage; empty for the journey as a whole, where only entered and transitions count';
COMMENT ON COLUMN funnel.entered IS 'runs that entered it at least once';
COMMENT ON COLUMN funnel.transitions IS 'times it was entered';
COMMENT ON COLUMN funnel.converted_from_previous IS 'runs that entered both this step and the step before it';
COMMENT ON COLUMN funnel.converted_from_first IS 'runs that entered both this step and the first';
COMMENT ON COLUMN funnel.dropped_off IS 'runs whose furthest step this is and that ended, or entered an exception and no step since';
COMMENT ON COLUMN funnel.still_there IS 'runs whose furthest step this is and that did neither';

CREATE TABLE contacts (
    tenant_id  text NOT NULL,
    contact_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, contact_id)
);
COMMENT ON TABLE contacts IS 'contacts that attribution has told of';
COMMENT ON COLUMN contacts.tenant_id IS 'whose';
COMMENT ON COLUMN contacts.contact_id IS 'the contact';

CREATE TABLE attributions (
    tenant_id      text        NOT NULL,
    campaign_id    text        NOT NULL,
    contact_id     uuid        NOT NULL,
    attribution_id uuid        NOT NULL,
    effective_from timestamptz NOT NULL,
    deactivated_at timestamptz,
    advocate_id    uuid        NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, contact_id, attribution_id, effective_from)
);
COMMENT ON TABLE attributions IS 'times in which attributions are, or were, in force (A11), as attribution has told';
COMMENT ON COLUMN attributions.tenant_id IS 'whose';
COMMENT ON COLUMN attributions.campaign_id IS 'the campaign';
COMMENT ON COLUMN attributions.contact_id IS 'the referred contact';
COMMENT ON COLUMN attributions.attribution_id IS 'the attribution; once more for each time it was activated again';
COMMENT ON COLUMN attributions.effective_from IS 'in force from this moment (business time)';
COMMENT ON COLUMN attributions.deactivated_at IS 'in force until, but not including; null while active';
COMMENT ON COLUMN attributions.advocate_id IS 'the advocate';

CREATE TABLE test_clocks (
    tenant_id      text PRIMARY KEY,
    attribution_at timestamptz,
    orders_at      timestamptz,
    shown_at       timestamptz
);
COMMENT ON TABLE test_clocks IS 'test clocks of sandbox tenants (M4)';
COMMENT ON COLUMN test_clocks.tenant_id IS 'whose';
COMMENT ON COLUMN test_clocks.attribution_at IS 'where the stream of attribution is';
COMMENT ON COLUMN test_clocks.orders_at IS 'where the stream of orders is';
COMMENT ON COLUMN test_clocks.shown_at IS 'what the clock shows here: the earlier of the two, once both are known';
