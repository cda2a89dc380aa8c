-- Refunds, cancellation, and what happened to an order (O8, O12). A refund is a change of the order, and nothing else.
ALTER TABLE orders ADD COLUMN cancelled_at timestamptz;
ALTER TABLE orders ADD COLUMN recorded_by text NOT NULL DEFAULT '';
-- nothing is left of a cancelled order; rows of before have no such time, and need no look
ALTER TABLE orders ADD CONSTRAINT orders_cancelled CHECK (cancelled_at IS NULL OR refunded_minor = revenue_minor) NOT VALID;
COMMENT ON COLUMN orders.refunded_minor IS 'minor units; given back by refunds and by a cancellation; net revenue is revenue less this';
COMMENT ON COLUMN orders.cancelled_at IS 'when it was cancelled (business time); null: it is not (O8)';
COMMENT ON COLUMN orders.recorded_by IS 'principal who recorded it; empty for orders of before this was kept';

CREATE TABLE order_changes (
    tenant_id    text        NOT NULL,
    order_row    uuid        NOT NULL,
    change_no    bigint      GENERATED ALWAYS AS IDENTITY,
    kind         text        NOT NULL,
    principal    text        NOT NULL,
    refund_id    text        NOT NULL DEFAULT '',
    amount_minor bigint,
    reason       text        NOT NULL DEFAULT '',
    fields       jsonb       NOT NULL DEFAULT '[]',
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_row, change_no)
);
-- the natural key of a refund
CREATE UNIQUE INDEX order_changes_refund ON order_changes (tenant_id, order_row, refund_id) WHERE kind = 'REFUNDED';
COMMENT ON TABLE order_changes IS 'what happened to orders after they were recorded (O12)';
COMMENT ON COLUMN order_changes.tenant_id IS 'whose order';
COMMENT ON COLUMN order_changes.order_row IS 'orders.id';
COMMENT ON COLUMN order_changes.change_no IS 'given under the sequencer lock, so that its order is the order of commits';
COMMENT ON COLUMN order_changes.kind IS 'UPDATED, REFUNDED or CANCELLED';
COMMENT ON COLUMN order_changes.principal IS 'who did it';
COMMENT ON COLUMN order_changes.refund_id IS 'of a refund: its id, as the caller knows it; with the order the natural key (O8); else empty';
COMMENT ON COLUMN order_changes.amount_minor IS 'minor units of the order''s currency that were given back; null if none were';
COMMENT ON COLUMN order_changes.reason IS 'free text of the caller, and so personal data (A13)';
COMMENT ON COLUMN order_changes.fields IS 'of an update: [name in the contract, value before, value after] of each field that changed, as texts';
COMMENT ON COLUMN order_changes.occurred_at IS 'when it happened (business time, M3)';
COMMENT ON COLUMN order_changes.recorded_at IS 'when it was recorded (real clock, M3)';
