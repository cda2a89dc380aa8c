-- Lists of orders by what few of them have (O11). Each index ends with the id, which is the order of the list, so that a page
-- is read from it as it stands, the first like the last. Those of what most orders lack have no rows for them: RecordOrder pays
-- only for what an order has. What many orders share, such as an outcome, needs none: on the way from the newest to the
-- oldest it is met soon enough. Unlike those of look-ups they begin with the tenant, since a value is shared by tenants.
CREATE INDEX orders_by_attribution ON orders (tenant_id, attribution_id, id) WHERE attribution_id IS NOT NULL;
CREATE INDEX orders_by_advocate ON orders (tenant_id, advocate_id, id) WHERE advocate_id IS NOT NULL;
CREATE INDEX orders_by_inactive_attribution ON orders (tenant_id, inactive_attribution_id, id)
    WHERE inactive_attribution_id IS NOT NULL;
CREATE INDEX orders_by_source ON orders (tenant_id, source, id) WHERE source <> '';
CREATE INDEX orders_by_external_status ON orders (tenant_id, external_status, id) WHERE external_status <> '';
CREATE INDEX orders_by_hubspot_dealstage ON orders (tenant_id, hubspot_dealstage, id) WHERE hubspot_dealstage <> '';
CREATE INDEX orders_refunded ON orders (tenant_id, id) WHERE refunded_minor > 0;
CREATE INDEX orders_cancelled ON orders (tenant_id, id) WHERE cancelled_at IS NOT NULL;
