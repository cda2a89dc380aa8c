-- How far imports are that bear an id, so that one that broke off goes on after the rows that are done (O10).
CREATE TABLE imports (
    tenant_id        text        NOT NULL,
    import_id        text        NOT NULL,
    options_hash     bytea       NOT NULL,
    rows             bigint      NOT NULL CHECK (rows >= 0),
    recorded         bigint      NOT NULL,
    already_recorded bigint      NOT NULL,
    updated          bigint      NOT NULL,
    rejected         bigint      NOT NULL,
    principal        text        NOT NULL,
    started_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    PRIMARY KEY (tenant_id, import_id),
    CHECK (rows = recorded + already_recorded + updated + rejected)
);
CREATE INDEX imports_by_age ON imports (updated_at);
COMMENT ON TABLE imports IS 'imports that bear an id, and how far they are (O10); kept for 7 days';
COMMENT ON COLUMN imports.tenant_id IS 'whose';
COMMENT ON COLUMN imports.import_id IS 'as the caller chose it; with the tenant the natural key';
COMMENT ON COLUMN imports.options_hash IS 'HMAC-SHA256 of the options and the header of the file, under the secret of this schema: tells whether the same import is sent again';
COMMENT ON COLUMN imports.rows IS 'how many rows are done, the first of the file in their order; a little behind while it runs';
COMMENT ON COLUMN imports.recorded IS 'of these, how many were new orders';
COMMENT ON COLUMN imports.already_recorded IS 'of these, how many were stored before with the same content';
COMMENT ON COLUMN imports.updated IS 'of these, how many updated an order';
COMMENT ON COLUMN imports.rejected IS 'of these, how many were refused';
COMMENT ON COLUMN imports.principal IS 'who began it';
COMMENT ON COLUMN imports.started_at IS 'when it began (real clock)';
COMMENT ON COLUMN imports.updated_at IS 'when this was kept (real clock)';
COMMENT ON COLUMN imports.finished_at IS 'when all rows were done (real clock); null: it goes on, or broke off';
