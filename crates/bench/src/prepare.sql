-- One campaign with 500 advocates and their codes; the events tables take no lock, so that nobody waits for a sequencer.
SET search_path = attribution;
ALTER TABLE events DISABLE TRIGGER events_sequencer;
ALTER TABLE orders.events DISABLE TRIGGER events_sequencer;
INSERT INTO segments VALUES ('bench', 'advocates', 'advocates') ON CONFLICT DO NOTHING;
INSERT INTO campaigns VALUES ('bench', 'bench', 'bench', 'USD', '{advocates}', now() - interval '1 day', NULL)
    ON CONFLICT DO NOTHING;
INSERT INTO contacts (tenant_id, contact_id, email, status, created_at)
    SELECT 'bench', md5('a' || n)::uuid, 'advocate' || n || '@bench.example', 2, now()
      FROM generate_series(0, 499) AS n ON CONFLICT DO NOTHING;
INSERT INTO segment_members SELECT 'bench', md5('a' || n)::uuid, 'advocates' FROM generate_series(0, 499) AS n
    ON CONFLICT DO NOTHING;
INSERT INTO shortcodes SELECT 'bench', 'ADV' || lpad(n::text, 5, '0'), 'bench', md5('a' || n)::uuid, now()
      FROM generate_series(0, 499) AS n ON CONFLICT DO NOTHING;
