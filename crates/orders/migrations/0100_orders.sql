-- Orders and what belongs to them.
CREATE TABLE orders (
    tenant_id         text        NOT NULL,
    id                uuid        NOT NULL,
    source_scope      text        NOT NULL DEFAULT '',
    order_id          text        NOT NULL,
    source            text        NOT NULL,
    contact_id        uuid        NOT NULL,
    customer_hash     bytea       NOT NULL,
    campaign_id       text,
    attribution_id    uuid,
    advocate_id       uuid,
    inactive_attribution_id uuid,
    outcome           text        NOT NULL,
    outcome_reason    text        NOT NULL,
    currency          text        NOT NULL,
    revenue_minor     bigint      NOT NULL CHECK (revenue_minor >= 0),
    refunded_minor    bigint      NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND revenue_minor),
    external_status   text        NOT NULL,
    hubspot_dealstage text        NOT NULL,
    line_count        smallint    NOT NULL,
    occurred_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source_scope, order_id),
    CHECK ((attribution_id IS NULL) = (advocate_id IS NULL))
);
CREATE INDEX orders_by_contact ON orders (tenant_id, contact_id, id);
CREATE INDEX orders_by_campaign ON orders (tenant_id, campaign_id, id) WHERE campaign_id IS NOT NULL;
COMMENT ON TABLE orders IS 'purchases and deals with a revenue amount (O1, O2)';
COMMENT ON COLUMN orders.tenant_id IS 'whose order';
COMMENT ON COLUMN orders.id IS 'UUIDv7, so that its order is the order of recording; never leaves the service';
COMMENT ON COLUMN orders.source_scope IS 'the source for tenants that scope order ids by source, else empty (O1)';
COMMENT ON COLUMN orders.order_id IS 'as the caller knows it; with tenant and scope the natural key';
COMMENT ON COLUMN orders.source IS 'the system it comes from; empty if none was given';
COMMENT ON COLUMN orders.contact_id IS 'the customer';
COMMENT ON COLUMN orders.customer_hash IS 'HMAC-SHA256 (16 bytes) of tenant and customer reference as given, under the secret of this schema: tells whether the same customer is named again without keeping the name (A13)';
COMMENT ON COLUMN orders.campaign_id IS 'null: none, and never a reward (O5)';
COMMENT ON COLUMN orders.attribution_id IS 'the attribution it was recorded under; permanent once set (O4)';
COMMENT ON COLUMN orders.advocate_id IS 'contact of that attribution''s advocate';
COMMENT ON COLUMN orders.inactive_attribution_id IS 'the attempt that lost, kept beside it (O3)';
COMMENT ON COLUMN orders.outcome IS 'how the attempt to attribute ended (A12)';
COMMENT ON COLUMN orders.outcome_reason IS 'with LOGGED_INACTIVE and UNRESOLVED: why; else empty';
COMMENT ON COLUMN orders.currency IS 'ISO 4217, of all amounts of this order';
COMMENT ON COLUMN orders.revenue_minor IS 'minor units; the figure last reported, before refunds';
COMMENT ON COLUMN orders.refunded_minor IS 'minor units; sum of the refunds recorded; net revenue is revenue less this';
COMMENT ON COLUMN orders.external_status IS 'state in the caller''s system';
COMMENT ON COLUMN orders.hubspot_dealstage IS 'deal stage in HubSpot';
COMMENT ON COLUMN orders.line_count IS 'rows of it in line_items, so that most reads need not look there';
COMMENT ON COLUMN orders.occurred_at IS 'when it was placed (business time, M3)';
COMMENT ON COLUMN orders.recorded_at IS 'when it was recorded (real clock, M3)';

-- O4: nobody, by whatever way, changes an attribution that is set.
CREATE FUNCTION keep_attribution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the attribution of an order is permanent'
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'orders_attribution_permanent';
END $$;
CREATE TRIGGER orders_attribution_permanent BEFORE UPDATE ON orders
    FOR EACH ROW
    WHEN (OLD.attribution_id IS NOT NULL
          AND (NEW.attribution_id IS DISTINCT FROM OLD.attribution_id
               OR NEW.advocate_id IS DISTINCT FROM OLD.advocate_id))
    EXECUTE FUNCTION keep_attribution();

CREATE TABLE line_items (
    tenant_id        text     NOT NULL,
    order_row        uuid     NOT NULL,
    n                smallint NOT NULL,
    sku              text     NOT NULL,
    name             text     NOT NULL,
    quantity         int      NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint   NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (tenant_id, order_row, n)
);
COMMENT ON TABLE line_items IS 'lines of orders; written and replaced together with their order';
COMMENT ON COLUMN line_items.tenant_id IS 'whose order';
COMMENT ON COLUMN line_items.order_row IS 'orders.id';
COMMENT ON COLUMN line_items.n IS 'place in the order, from 0';
COMMENT ON COLUMN line_items.sku IS 'the caller''s product id';
COMMENT ON COLUMN line_items.name IS 'for people';
COMMENT ON COLUMN line_items.quantity IS 'how many';
COMMENT ON COLUMN line_items.unit_price_minor IS 'price of one, in minor units of the order''s currency';

CREATE TABLE test_clocks (
    tenant_id text        NOT NULL PRIMARY KEY,
    now       timestamptz NOT NULL
);
COMMENT ON TABLE test_clocks IS 'test clocks of sandbox tenants, as the attribution stream told them (M4)';
COMMENT ON COLUMN test_clocks.tenant_id IS 'whose clock';
COMMENT ON COLUMN test_clocks.now IS 'what it shows';
