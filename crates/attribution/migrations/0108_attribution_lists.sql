-- Lists of attributions by whom and what they are about (A16). Each index ends with the id, which is the order of the list, or is
-- of moments, of which few rows are asked for. None that has all rows begins with tenant_id, so that look-ups by the primary key fit that
-- alone; those of values that tenants share have it second. Statements of lists compare the tenant with =, and are planned each time.
CREATE INDEX attributions_by_advocate ON attributions (advocate_id, attribution_id, tenant_id);
CREATE INDEX attributions_by_campaign ON attributions (campaign_id, tenant_id, attribution_id);
CREATE INDEX attributions_by_evidence ON attributions (evidence, tenant_id, attribution_id);
-- for rows that are inactive only: most are not, and pay nothing
CREATE INDEX attributions_inactive ON attributions
    ((CASE inactive_reason WHEN 0 THEN 1 ELSE 2 END), tenant_id, attribution_id)
    WHERE (CASE inactive_reason WHEN 0 THEN 1 ELSE 2 END) = 2;
CREATE INDEX attributions_by_reason ON attributions ((nullif(inactive_reason, 0)), tenant_id, attribution_id)
    WHERE nullif(inactive_reason, 0) IS NOT NULL;
-- whatever the reason; a look-up by the primary key does not fit it, since it says nothing of reasons
CREATE INDEX attributions_with_reason ON attributions (tenant_id, attribution_id)
    WHERE nullif(inactive_reason, 0) IS NOT NULL;
CREATE INDEX attributions_by_beginning ON attributions (effective_from, tenant_id);
CREATE INDEX attributions_by_end ON attributions (deactivated_at, tenant_id) WHERE deactivated_at IS NOT NULL;
