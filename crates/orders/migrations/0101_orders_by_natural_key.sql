-- The natural key as one expression. As columns it begins like the other indexes, with the tenant: while a new table has no
-- statistics, Postgres cannot tell them apart, and may walk all orders of a tenant for each that is looked up. The
-- separator is a control character, which none of the three may have.
CREATE UNIQUE INDEX orders_by_natural_key
    ON orders ((tenant_id || E'\x1f' || source_scope || E'\x1f' || order_id));
ALTER TABLE orders DROP CONSTRAINT orders_tenant_id_source_scope_order_id_key;
