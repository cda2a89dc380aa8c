-- What an order keeps when its customer is erased (A13): values of properties that are declared not to be personal.
CREATE FUNCTION impersonal(of_tenant text, of_order jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(p.key, p.value), '{}')
      FROM jsonb_each(of_order) p
      JOIN order_properties d ON d.tenant_id = of_tenant AND d.name = p.key AND NOT d.personal
$$;
COMMENT ON FUNCTION impersonal IS 'the properties of an order without those that are personal data, or are not defined';

CREATE FUNCTION impersonal_fields(of_tenant text, of_change jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(
               CASE WHEN f.value->>0 LIKE 'properties.%' AND NOT EXISTS (
                        SELECT FROM order_properties d
                         WHERE d.tenant_id = of_tenant AND 'properties.' || d.name = f.value->>0 AND NOT d.personal)
                    THEN jsonb_build_array(f.value->0, '', '') ELSE f.value END
               ORDER BY f.ordinality), '[]')
      FROM jsonb_array_elements(of_change) WITH ORDINALITY f
$$;
COMMENT ON FUNCTION impersonal_fields IS 'order_changes.fields with the values of personal properties blanked';
