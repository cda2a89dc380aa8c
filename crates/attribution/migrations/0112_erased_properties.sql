-- What an erased contact keeps of its properties, also when a definition becomes personal afterwards (A13).
CREATE FUNCTION impersonal(of_tenant text, of_contact jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(p.key, p.value), '{}')
      FROM jsonb_each(of_contact) p
      JOIN contact_properties d ON d.tenant_id = of_tenant AND d.name = p.key AND NOT d.personal
$$;
COMMENT ON FUNCTION impersonal IS 'the properties of a contact without those that are personal data, or are not defined';

-- How many contacts a segment has is kept, so that nobody counts millions of them.
ALTER TABLE segments ADD COLUMN members bigint NOT NULL DEFAULT 0;
UPDATE segments s SET members = (
    SELECT count(*) FROM segment_members m
     WHERE m.segment_id = s.segment_id AND m.tenant_id IS NOT DISTINCT FROM s.tenant_id);
COMMENT ON COLUMN segments.members IS 'how many contacts are in it; changed with segment_members';
