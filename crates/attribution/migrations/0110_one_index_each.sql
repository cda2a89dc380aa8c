-- Each look-up fits one index only, as the head of 0100 says. Lists by campaign go by an expression that nothing else asks for:
-- tenant and campaign in one, as neither holds a slash.
DROP INDEX shortcodes_by_campaign;
CREATE INDEX shortcodes_by_campaign ON shortcodes ((tenant_id || '/' || campaign_id), code);

-- by advocate also whether one has a code in a campaign (A14)
DROP INDEX coupon_codes_by_campaign;
CREATE INDEX coupon_codes_by_campaign ON coupon_codes ((tenant_id || '/' || campaign_id), code);
DROP INDEX coupon_codes_by_advocate;
CREATE INDEX coupon_codes_by_advocate ON coupon_codes (advocate_id, campaign_id, tenant_id)
    WHERE advocate_id IS NOT NULL;

DROP INDEX visits_by_campaign;
CREATE INDEX visits_by_campaign ON visits ((tenant_id || '/' || campaign_id), visit_id);
-- one for the same visit again, for a visitor's list, and for the visits of people as evidence (A8), machines apart. The same
-- visit twice is what the service keeps from being logged, whatever it says of machines.
CREATE UNIQUE INDEX visits_by_visitor ON visits (visitor_id, bot, occurred_at, shortcode, tenant_id);
ALTER TABLE visits DROP CONSTRAINT visits_visitor_id_occurred_at_shortcode_tenant_id_key;
