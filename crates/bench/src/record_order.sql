\set n random(1, 9000000000000000)
\set advocate random(0, 499)
BEGIN;
SELECT id FROM orders.orders WHERE tenant_id = 'bench' AND source_scope = '' AND order_id = 'order-' || :n::bigint;
SELECT contact_id FROM attribution.contacts WHERE tenant_id = 'bench' AND email = 'customer' || :n::bigint || '@bench.example';
SELECT s.campaign_id, s.advocate_id, c.starts_at, c.ends_at, a.status FROM attribution.shortcodes s JOIN attribution.campaigns c USING (tenant_id, campaign_id) JOIN attribution.contacts a ON a.tenant_id = s.tenant_id AND a.contact_id = s.advocate_id JOIN attribution.segment_members m ON m.tenant_id = s.tenant_id AND m.contact_id = s.advocate_id AND m.segment_id = ANY (c.segment_ids) WHERE s.tenant_id = 'bench' AND s.code = 'ADV' || lpad(:advocate::int::text, 5, '0');
INSERT INTO attribution.contacts (tenant_id, contact_id, email, status, created_at) VALUES ('bench', md5('c' || :n::bigint)::uuid, 'customer' || :n::bigint || '@bench.example', 1, now());
INSERT INTO attribution.attributions (tenant_id, attribution_id, campaign_id, contact_id, advocate_id, inactive_reason, evidence, effective_from, attempts) VALUES ('bench', md5('t' || :n::bigint)::uuid, 'bench', md5('c' || :n::bigint)::uuid, md5('a' || :advocate::int)::uuid, 0, 1, now(), 1);
INSERT INTO attribution.attempts (tenant_id, attempt_id, contact_id, campaign_id, shortcode, advocate_id, source, outcome, inactive_reason, unresolved_reason, passed_over, occurred_at, recorded_at) VALUES ('bench', md5('p' || :n::bigint)::uuid, md5('c' || :n::bigint)::uuid, 'bench', 'ADV' || lpad(:advocate::int::text, 5, '0'), md5('a' || :advocate::int)::uuid, '', 1, 0, 0, 0, now(), now());
INSERT INTO attribution.events (tenant_id, payload) VALUES ('bench', decode(repeat('ab', 150), 'hex')), ('bench', decode(repeat('cd', 300), 'hex'));
INSERT INTO orders.orders (tenant_id, id, order_id, source, contact_id, customer_hash, campaign_id, attribution_id, advocate_id, outcome, outcome_reason, currency, revenue_minor, external_status, hubspot_dealstage, line_count, occurred_at, recorded_at) VALUES ('bench', md5('o' || :n::bigint)::uuid, 'order-' || :n::bigint, '', md5('c' || :n::bigint)::uuid, decode(md5('h' || :n::bigint), 'hex'), 'bench', md5('t' || :n::bigint)::uuid, md5('a' || :advocate::int)::uuid, 'ATTRIBUTED', '', 'USD', 4999, '', '', 0, now(), now());
INSERT INTO orders.events (tenant_id, payload) VALUES ('bench', decode(repeat('ef', 350), 'hex'));
COMMIT;
