-- Who did what. One row for all that one caller changed by one method in one transaction, so that it costs a slice
-- next to nothing.
CREATE TABLE audit (
    tenant_id   text        NOT NULL,
    audit_id    uuid        NOT NULL,
    principal   text        NOT NULL,
    method      text        NOT NULL,
    resources   text[]      NOT NULL,
    traceparent text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, audit_id)
);
COMMENT ON TABLE audit IS 'who did what, in the transaction that did it; append-only, no personal data';
COMMENT ON COLUMN audit.tenant_id IS 'whose resources';
COMMENT ON COLUMN audit.audit_id IS 'made by Laurel, ordered by time';
COMMENT ON COLUMN audit.principal IS 'who: subject of a credential, a service such as service:orders, or anonymous';
COMMENT ON COLUMN audit.method IS 'by what: full name of the RPC, or a task of the service';
COMMENT ON COLUMN audit.resources IS 'ids of what was made or changed; at most 1,000';
COMMENT ON COLUMN audit.traceparent IS 'W3C trace context of the first of the calls, if it was traced';
COMMENT ON COLUMN audit.recorded_at IS 'when (real clock)';
