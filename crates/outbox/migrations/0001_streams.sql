-- Outbox and subscriptions: the same tables in every service's schema.
CREATE TABLE events (
    tenant_id text   NOT NULL,
    position  bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    payload   bytea  NOT NULL
);
CREATE INDEX events_by_tenant ON events (tenant_id, position);
COMMENT ON TABLE events IS 'what happened, in commit order; served as a stream';
COMMENT ON COLUMN events.tenant_id IS 'whose event';
COMMENT ON COLUMN events.position IS 'order of the stream; gaps are allowed, missing events are not, so CACHE stays 1';
COMMENT ON COLUMN events.payload IS 'the event as its contract encodes it, without its cursor; no personal data';

-- A backstop that nobody can forget: whoever appends holds the sequencer lock of the schema.
CREATE FUNCTION hold_sequencer_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(TG_TABLE_SCHEMA), 0);
    RETURN NULL;
END $$;
CREATE TRIGGER events_sequencer BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION hold_sequencer_lock();

CREATE TABLE stream (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    bigint  NOT NULL
);
COMMENT ON TABLE stream IS 'the identity of this stream; one row';
COMMENT ON COLUMN stream.only_row IS 'holds the table to one row';
COMMENT ON COLUMN stream.epoch IS 'random; to be renewed after a restore to an earlier point';
INSERT INTO stream (epoch) VALUES (('x' || substr(md5(gen_random_uuid()::text), 1, 16))::bit(64)::bigint);

CREATE TABLE subscriptions (
    subscription text   PRIMARY KEY,
    epoch        bigint NOT NULL,
    position     bigint NOT NULL
);
COMMENT ON TABLE subscriptions IS 'how far each upstream stream has been applied; moved in the transaction that applies';
COMMENT ON COLUMN subscriptions.subscription IS 'such as journeys.orders';
COMMENT ON COLUMN subscriptions.epoch IS 'epoch of the upstream stream';
COMMENT ON COLUMN subscriptions.position IS 'highest upstream position applied or parked';

CREATE TABLE parked (
    tenant_id    text   NOT NULL,
    parked_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription text   NOT NULL,
    event_id     text   NOT NULL,
    contact_id   text   NOT NULL,
    payload      bytea  NOT NULL,
    reason       text   NOT NULL,
    attempts     int    NOT NULL DEFAULT 1,
    parked_at    timestamptz NOT NULL
);
CREATE INDEX parked_by_contact ON parked (tenant_id, subscription, contact_id, parked_id);
COMMENT ON TABLE parked IS 'upstream events that cannot be applied, and those of the same contact behind them';
COMMENT ON COLUMN parked.tenant_id IS 'whose event';
COMMENT ON COLUMN parked.parked_id IS 'names it in RetryParked; its order is the order of the stream';
COMMENT ON COLUMN parked.subscription IS 'such as journeys.orders';
COMMENT ON COLUMN parked.event_id IS 'id of the event in its stream';
COMMENT ON COLUMN parked.contact_id IS 'whom it is about; empty if nobody';
COMMENT ON COLUMN parked.payload IS 'the event as its contract encodes it; no personal data';
COMMENT ON COLUMN parked.reason IS 'why, for an operator; no personal data';
COMMENT ON COLUMN parked.attempts IS 'how often it was tried';
COMMENT ON COLUMN parked.parked_at IS 'when (real clock)';
