-- An order that was recorded without attribution may be linked once (O4); the trigger orders_attribution_permanent allows
-- no more than that.
COMMENT ON COLUMN orders.attribution_id IS 'the attribution it was recorded under, or linked to once since; permanent once set (O4)';
COMMENT ON COLUMN orders.inactive_attribution_id IS 'the attempt that lost when it was recorded or linked, kept beside it (O3)';
COMMENT ON COLUMN order_changes.kind IS 'UPDATED, LINKED, REFUNDED or CANCELLED';
COMMENT ON COLUMN order_changes.fields IS 'of an update or a link: [name in the contract, value before, value after] of each field that changed, as texts';
