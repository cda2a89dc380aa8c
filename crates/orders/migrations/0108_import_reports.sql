-- What imports refused, so that it can be mended and imported again (O10); and by what they know the rows that are done.
ALTER TABLE imports
    ADD COLUMN rows_hash  bytea   NOT NULL DEFAULT '',
    ADD COLUMN header     bytea   NOT NULL DEFAULT '',
    ADD COLUMN dry_run    boolean NOT NULL DEFAULT false,
    ADD COLUMN kept_rows  bigint  NOT NULL DEFAULT 0,
    ADD COLUMN kept_bytes bigint  NOT NULL DEFAULT 0;
COMMENT ON COLUMN imports.rows_hash IS 'HMAC-SHA256 of the rows that are done, each chained to those before it, under the secret of this schema: tells whether the same rows are sent again; empty if none is done';
COMMENT ON COLUMN imports.header IS 'names of the columns of the file as one CSV record, for the report; without those of a report';
COMMENT ON COLUMN imports.dry_run IS 'nothing was recorded: the counts say what would come of the rows';
COMMENT ON COLUMN imports.kept_rows IS 'how many of the rejected rows were put into rejected_rows';
COMMENT ON COLUMN imports.kept_bytes IS 'bytes of these, as far as they count against what is kept of an import';
CREATE TABLE rejected_rows (
    tenant_id text   NOT NULL,
    import_id text   NOT NULL,
    n         bigint NOT NULL CHECK (n > 0),
    line      bigint NOT NULL,
    at_column text   NOT NULL,
    reason    text   NOT NULL,
    message   text   NOT NULL,
    record    bytea,
    names     text[] NOT NULL,
    PRIMARY KEY (tenant_id, import_id, n)
);
-- for erasure (A13); whose they are is compared with IS NOT DISTINCT FROM there, which the primary key does not serve
CREATE INDEX rejected_rows_by_name ON rejected_rows USING gin (names) WITH (fastupdate = off);
COMMENT ON TABLE rejected_rows IS 'rows that imports with an id refused, the first of each import within bounds (O10); kept as long as their import';
COMMENT ON COLUMN rejected_rows.tenant_id IS 'whose';
COMMENT ON COLUMN rejected_rows.import_id IS 'the import; written in the transaction that knows the row to be done';
COMMENT ON COLUMN rejected_rows.n IS 'which of the rows of the file it is, from 1';
COMMENT ON COLUMN rejected_rows.line IS 'line of the file it begins on, from 1; the header is line 1';
COMMENT ON COLUMN rejected_rows.at_column IS 'the column at fault, as the header of the file names it; empty if the row as a whole is';
COMMENT ON COLUMN rejected_rows.reason IS 'name of the public reason';
COMMENT ON COLUMN rejected_rows.message IS 'what is wrong, for people; quotes nothing of the row';
COMMENT ON COLUMN rejected_rows.record IS 'personal: the record byte by byte as it was sent (A13); null if it was too large';
COMMENT ON COLUMN rejected_rows.names IS 'personal: by what the record may name contacts, trimmed and in lower case, so that erasure finds it (A13)';
