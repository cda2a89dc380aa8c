-- Where attributions came from (A16).
ALTER TABLE attributions ADD COLUMN source text NOT NULL DEFAULT '';
COMMENT ON COLUMN attributions.source IS 'where the attempt came from that it rests on, as its caller named it; empty by hand';
CREATE INDEX attributions_by_source ON attributions (source, tenant_id, attribution_id) WHERE source <> '';
