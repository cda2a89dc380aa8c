-- Visits (A8). What is kept of a person's address is its network, and of the page its path.
CREATE TABLE visits (
    tenant_id    text        NOT NULL,
    visit_id     uuid        NOT NULL,
    visitor_id   text        NOT NULL,
    shortcode    text        NOT NULL,
    campaign_id  text        NOT NULL,
    advocate_id  uuid        NOT NULL,
    channel      text        NOT NULL,
    source       text        NOT NULL,
    landing_path text        NOT NULL,
    user_agent   text        NOT NULL,
    network      text,
    bot          boolean     NOT NULL,
    occurred_at  timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, visit_id),
    UNIQUE (visitor_id, occurred_at, shortcode, tenant_id)
);
CREATE INDEX visits_by_campaign ON visits (campaign_id, visit_id, tenant_id);
CREATE INDEX visits_by_advocate ON visits (advocate_id, visit_id, tenant_id);
-- for the purge
CREATE INDEX visits_by_age ON visits (recorded_at);
COMMENT ON TABLE visits IS 'who came through whose shortcode; kept for 400 days';
COMMENT ON COLUMN visits.tenant_id IS 'whose visit';
COMMENT ON COLUMN visits.visit_id IS 'UUIDv7; its order is the order of recording';
COMMENT ON COLUMN visits.visitor_id IS 'personal: the caller''s id of the browser';
COMMENT ON COLUMN visits.shortcode IS 'the shortcode it came through';
COMMENT ON COLUMN visits.campaign_id IS 'the campaign of the shortcode';
COMMENT ON COLUMN visits.advocate_id IS 'contact id of the shortcode''s advocate';
COMMENT ON COLUMN visits.channel IS 'how the link travelled, as the caller named it';
COMMENT ON COLUMN visits.source IS 'where the link stood, as the caller named it';
COMMENT ON COLUMN visits.landing_path IS 'path of the page, without query';
COMMENT ON COLUMN visits.user_agent IS 'personal, in a way: as the browser said it';
COMMENT ON COLUMN visits.network IS 'the first 24 bits of an IPv4 address, 48 of an IPv6 address; null if none was given';
COMMENT ON COLUMN visits.bot IS 'whether it was a machine; such visits never count';
COMMENT ON COLUMN visits.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN visits.recorded_at IS 'when it was recorded (real clock)';
