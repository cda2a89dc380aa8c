-- Erasures of contacts (A13): this service's place in each, and the receipt as far as it goes here.
CREATE TABLE erasures (
    tenant_id    text        NOT NULL,
    contact_id   uuid        NOT NULL,
    receipt      bytea       NOT NULL,
    traceparent  text,
    recorded_at  timestamptz NOT NULL,
    completed_at timestamptz,
    PRIMARY KEY (tenant_id, contact_id)
);
CREATE INDEX erasures_open ON erasures (recorded_at) WHERE completed_at IS NULL;
COMMENT ON TABLE erasures IS 'contacts that were erased (A13); no personal data';
COMMENT ON COLUMN erasures.tenant_id IS 'whose contact';
COMMENT ON COLUMN erasures.contact_id IS 'all that is left of the contact';
COMMENT ON COLUMN erasures.receipt IS 'laurel.common.v1.Erasure: the parts of the services before this one, and this one''s so far';
COMMENT ON COLUMN erasures.traceparent IS 'W3C trace context of the call that erased it, if it was traced';
COMMENT ON COLUMN erasures.recorded_at IS 'when this service heard of it (real clock)';
COMMENT ON COLUMN erasures.completed_at IS 'when the last that it held was removed (real clock); null: it is at it';
