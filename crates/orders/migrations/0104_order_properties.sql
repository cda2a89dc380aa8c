-- Custom properties of orders (O9). Values are with the order, and so go with it; events and requests hold none (A13).
CREATE TABLE order_properties (
    tenant_id   text        NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    required    boolean     NOT NULL,
    personal    boolean     NOT NULL,
    description text        NOT NULL,
    used        boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE order_properties IS 'custom properties that tenants define for orders (O9)';
COMMENT ON COLUMN order_properties.tenant_id IS 'whose';
COMMENT ON COLUMN order_properties.name IS 'letters, digits, underscores; with the tenant the natural key';
COMMENT ON COLUMN order_properties.kind IS 'STRING, INTEGER, DECIMAL or BOOLEAN; for good';
COMMENT ON COLUMN order_properties.required IS 'new orders, and those whose properties change, must have it';
COMMENT ON COLUMN order_properties.personal IS 'its values are personal data (A13)';
COMMENT ON COLUMN order_properties.description IS 'for people';
COMMENT ON COLUMN order_properties.used IS 'an order has, or had, a value of it: it cannot be deleted';
COMMENT ON COLUMN order_properties.created_at IS 'when it was defined (real clock)';
ALTER TABLE orders ADD COLUMN properties jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN orders.properties IS 'values by name; a decimal as {"decimal": "1.5"}; personal data, but for those defined not to be (A13)';
