-- Coupon codes (A14). The text of a code is of one kind within a tenant: whoever issues one holds the sequencer lock and
-- has looked for it among both kinds.
CREATE TABLE coupon_codes (
    tenant_id   text        NOT NULL,
    code        text        NOT NULL,
    campaign_id text,
    advocate_id uuid,
    single_use  boolean     NOT NULL,
    used_by     uuid,
    used_in     text,
    issued_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, code),
    -- a global code is in no pool
    CHECK (campaign_id IS NOT NULL OR advocate_id IS NOT NULL),
    CHECK ((used_by IS NULL) = (used_in IS NULL)),
    CHECK (used_by IS NULL OR (single_use AND advocate_id IS NOT NULL))
);
CREATE INDEX coupon_codes_pool ON coupon_codes (campaign_id, issued_at, code, tenant_id) WHERE advocate_id IS NULL;
CREATE INDEX coupon_codes_by_advocate ON coupon_codes (advocate_id) WHERE advocate_id IS NOT NULL;
CREATE INDEX coupon_codes_by_campaign ON coupon_codes (campaign_id, code, tenant_id);
COMMENT ON TABLE coupon_codes IS 'codes that customers give with an order: advocates'' own, or in the pool of a campaign';
COMMENT ON COLUMN coupon_codes.tenant_id IS 'whose code';
COMMENT ON COLUMN coupon_codes.code IS 'letters, digits, hyphens and underscores, in upper case';
COMMENT ON COLUMN coupon_codes.campaign_id IS 'the campaign it refers for; null: global, it takes the campaign from the call';
COMMENT ON COLUMN coupon_codes.advocate_id IS 'contact id of the advocate it refers to; null while it is in the pool of its campaign';
COMMENT ON COLUMN coupon_codes.single_use IS 'whether one contact only may use it, in one campaign';
COMMENT ON COLUMN coupon_codes.used_by IS 'contact id of who used it, if it is single use; null while nobody has';
COMMENT ON COLUMN coupon_codes.used_in IS 'the campaign it was used in';
COMMENT ON COLUMN coupon_codes.issued_at IS 'when it was issued (real clock); a pool gives out the oldest first';

CREATE INDEX shortcodes_by_campaign ON shortcodes (campaign_id, code, tenant_id);

ALTER TABLE attempts ADD COLUMN coupon_code text;
CREATE INDEX attempts_by_coupon_code ON attempts (coupon_code, attempt_id, tenant_id) WHERE coupon_code IS NOT NULL;
COMMENT ON COLUMN attempts.coupon_code IS
    'the coupon code that was sent, in upper case; what cannot be one as it was sent, up to 64 characters';
COMMENT ON COLUMN attributions.evidence IS
    'EvidenceKind of the contract: 1 shortcode, 2 advocate named, 3 coupon code, 4 visitor, 5 by hand';
