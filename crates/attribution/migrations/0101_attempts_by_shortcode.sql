-- Which attempts came with this code (A12): how an integration that sends wrong ones is found. As 0100 has it, the index
-- begins with what is looked up, and its statement compares the tenant with IS NOT DISTINCT FROM, so that it fits this
-- index only. The attempt comes before the tenant: pages are read newest first, without sorting.
CREATE INDEX attempts_by_shortcode ON attempts (shortcode, attempt_id, tenant_id) WHERE shortcode IS NOT NULL;
COMMENT ON TABLE attempts IS
    'what was sent and how it ended (A12); no personal data but what a caller puts where a code belongs; unresolved ones are kept 90 days';
COMMENT ON COLUMN attempts.shortcode IS
    'the shortcode that was sent, in upper case; what cannot be one as it was sent, up to 64 characters';
