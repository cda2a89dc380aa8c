-- Segments by rule: whoever fits is in them (A5). Apart from segments, so that a tenant's rules are found by the key alone.
CREATE TABLE segment_rules (
    tenant_id   text NOT NULL,
    segment_id  text NOT NULL,
    rule_id     uuid NOT NULL,
    rule        text NOT NULL,
    filled_to   uuid,
    traceparent text,
    PRIMARY KEY (tenant_id, segment_id)
);
-- which are to be filled, those first that are least far; as a rule none
CREATE INDEX segment_rules_to_fill ON segment_rules (filled_to) WHERE filled_to IS NOT NULL;
COMMENT ON TABLE segment_rules IS 'rules of those segments that have one; the others are static';
COMMENT ON COLUMN segment_rules.tenant_id IS 'whose segment';
COMMENT ON COLUMN segment_rules.segment_id IS 'the segment';
COMMENT ON COLUMN segment_rules.rule_id IS 'UUIDv7; another one for every other rule, so that what was made of a rule may be kept by it';
COMMENT ON COLUMN segment_rules.rule IS
    'personal: CEL, as somebody wrote it, who may have named somebody; names properties, and compares with values';
COMMENT ON COLUMN segment_rules.filled_to IS
    'contacts that were there before the rule are held to it in the order of their ids: up to this one so far; null: all were';
COMMENT ON COLUMN segment_rules.traceparent IS 'trace of the call that made the rule, for the events of filling';
COMMENT ON TABLE segments IS 'named sets of contacts: static, or by a rule';
