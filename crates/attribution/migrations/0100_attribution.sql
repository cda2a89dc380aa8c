-- Contacts, segments, campaigns, codes, attributions, attempts, test clocks.
-- There are no foreign keys between them: every writer holds the sequencer lock of the schema and has loaded what it
-- refers to, so they would only cost a look-up per row.
-- Of the indexes of a table only the primary key begins with tenant_id; the others begin with what they find things by,
-- and statements that use them compare the tenant with IS NOT DISTINCT FROM, which no index serves. So each look-up fits
-- one index only: between two that begin with tenant_id, a plan made while the table was empty may choose the wrong one,
-- and stays cached.

CREATE TABLE contacts (
    tenant_id  text        NOT NULL,
    contact_id uuid        NOT NULL,
    email      text,
    uid        text,
    first_name text        NOT NULL DEFAULT '',
    last_name  text        NOT NULL DEFAULT '',
    company    text        NOT NULL DEFAULT '',
    locale     text        NOT NULL DEFAULT '',
    tags       text[]      NOT NULL DEFAULT '{}',
    status     smallint    NOT NULL CHECK (status BETWEEN 1 AND 4),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id),
    CHECK (email IS NOT NULL OR uid IS NOT NULL)
);
CREATE UNIQUE INDEX contacts_by_email ON contacts (email, tenant_id) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX contacts_by_uid ON contacts (uid, tenant_id) WHERE uid IS NOT NULL;
COMMENT ON TABLE contacts IS 'people who refer and are referred; the only place that knows who they are (A13)';
COMMENT ON COLUMN contacts.tenant_id IS 'whose contact';
COMMENT ON COLUMN contacts.contact_id IS 'UUIDv7; all that other tables and services know of a contact';
COMMENT ON COLUMN contacts.email IS 'personal: e-mail address, trimmed and in lower case (A6)';
COMMENT ON COLUMN contacts.uid IS 'personal: the caller''s own id';
COMMENT ON COLUMN contacts.first_name IS 'personal: first name';
COMMENT ON COLUMN contacts.last_name IS 'personal: last name';
COMMENT ON COLUMN contacts.company IS 'personal: company';
COMMENT ON COLUMN contacts.locale IS 'BCP 47 language tag';
COMMENT ON COLUMN contacts.tags IS 'tags, sorted';
COMMENT ON COLUMN contacts.status IS 'ContactStatus of the contract: 1 prospect, 2 enrolled, 3 unsubscribed, 4 banned';
COMMENT ON COLUMN contacts.created_at IS 'when the contact came to be known (business time)';

CREATE TABLE segments (
    tenant_id  text NOT NULL,
    segment_id text NOT NULL,
    name       text NOT NULL,
    PRIMARY KEY (tenant_id, segment_id)
);
COMMENT ON TABLE segments IS 'static segments: named sets of contacts';
COMMENT ON COLUMN segments.tenant_id IS 'whose segment';
COMMENT ON COLUMN segments.segment_id IS 'as the caller named it';
COMMENT ON COLUMN segments.name IS 'for people';

CREATE TABLE segment_members (
    tenant_id  text NOT NULL,
    contact_id uuid NOT NULL,
    segment_id text NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, segment_id)
);
CREATE INDEX segment_members_by_segment ON segment_members (segment_id, tenant_id);
COMMENT ON TABLE segment_members IS 'which contacts are in which segments';
COMMENT ON COLUMN segment_members.tenant_id IS 'whose segment';
COMMENT ON COLUMN segment_members.contact_id IS 'the member';
COMMENT ON COLUMN segment_members.segment_id IS 'the segment';

CREATE TABLE campaigns (
    tenant_id     text        NOT NULL,
    campaign_id   text        NOT NULL,
    name          text        NOT NULL,
    currency_code text        NOT NULL,
    segment_ids   text[]      NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz CHECK (ends_at > starts_at),
    PRIMARY KEY (tenant_id, campaign_id)
);
COMMENT ON TABLE campaigns IS 'the scopes of referral offers';
COMMENT ON COLUMN campaigns.tenant_id IS 'whose campaign';
COMMENT ON COLUMN campaigns.campaign_id IS 'as the caller named it';
COMMENT ON COLUMN campaigns.name IS 'for people';
COMMENT ON COLUMN campaigns.currency_code IS 'ISO 4217; for good';
COMMENT ON COLUMN campaigns.segment_ids IS 'segments whose enrolled members are the advocates (A5), sorted';
COMMENT ON COLUMN campaigns.starts_at IS 'active from here on (business time)';
COMMENT ON COLUMN campaigns.ends_at IS 'active until, but not including; null: without end';

CREATE TABLE shortcodes (
    tenant_id   text        NOT NULL,
    code        text        NOT NULL,
    campaign_id text        NOT NULL,
    advocate_id uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, code)
);
CREATE INDEX shortcodes_by_advocate ON shortcodes (advocate_id);
COMMENT ON TABLE shortcodes IS 'codes by which advocates refer';
COMMENT ON COLUMN shortcodes.tenant_id IS 'whose code';
COMMENT ON COLUMN shortcodes.code IS 'letters and digits, in upper case';
COMMENT ON COLUMN shortcodes.campaign_id IS 'the campaign it refers for';
COMMENT ON COLUMN shortcodes.advocate_id IS 'contact id of the advocate it refers to';
COMMENT ON COLUMN shortcodes.created_at IS 'when it was issued (real clock); an advocate''s first one is given out again';

CREATE TABLE attributions (
    tenant_id       text        NOT NULL,
    attribution_id  uuid        NOT NULL,
    campaign_id     text        NOT NULL,
    contact_id      uuid        NOT NULL,
    advocate_id     uuid        NOT NULL,
    inactive_reason smallint    NOT NULL CHECK (inactive_reason BETWEEN 0 AND 2),
    evidence        smallint    NOT NULL,
    effective_from  timestamptz NOT NULL,
    deactivated_at  timestamptz CHECK (deactivated_at >= effective_from),
    attempts        int         NOT NULL CHECK (attempts > 0),
    PRIMARY KEY (tenant_id, attribution_id),
    UNIQUE (contact_id, campaign_id, advocate_id, tenant_id)
);
-- A2, enforced by the database
CREATE UNIQUE INDEX attributions_one_active ON attributions (contact_id, campaign_id, tenant_id)
    WHERE inactive_reason = 0;
COMMENT ON TABLE attributions IS 'who referred whom, in which campaign; one row per advocate (A2)';
COMMENT ON COLUMN attributions.tenant_id IS 'whose attribution';
COMMENT ON COLUMN attributions.attribution_id IS 'UUIDv7';
COMMENT ON COLUMN attributions.campaign_id IS 'the campaign';
COMMENT ON COLUMN attributions.contact_id IS 'the referred contact';
COMMENT ON COLUMN attributions.advocate_id IS 'contact id of the advocate';
COMMENT ON COLUMN attributions.inactive_reason IS 'InactiveReason of the contract: 0 it is active, 1 duplicate, 2 self-referral';
COMMENT ON COLUMN attributions.evidence IS 'EvidenceKind of the contract: 1 shortcode, 2 advocate named';
COMMENT ON COLUMN attributions.effective_from IS 'in force from here on (business time, A11)';
COMMENT ON COLUMN attributions.deactivated_at IS 'in force until, but not including; null while active, and if never';
COMMENT ON COLUMN attributions.attempts IS 'attempts counted on it';

CREATE TABLE attempts (
    tenant_id         text        NOT NULL,
    attempt_id        uuid        NOT NULL,
    contact_id        uuid        NOT NULL,
    campaign_id       text,
    shortcode         text,
    advocate_id       uuid,
    source            text        NOT NULL,
    outcome           smallint    NOT NULL,
    inactive_reason   smallint    NOT NULL,
    unresolved_reason smallint    NOT NULL,
    passed_over       smallint    NOT NULL,
    occurred_at       timestamptz NOT NULL,
    recorded_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, attempt_id)
);
-- for the purge; the only rows that are ever removed
CREATE INDEX attempts_unresolved ON attempts (recorded_at) WHERE outcome = 4;
COMMENT ON TABLE attempts IS 'what was sent and how it ended (A12); no personal data; unresolved ones are kept 90 days';
COMMENT ON COLUMN attempts.tenant_id IS 'whose attempt';
COMMENT ON COLUMN attempts.attempt_id IS 'UUIDv7; its order is the order of recording';
COMMENT ON COLUMN attempts.contact_id IS 'the referred contact';
COMMENT ON COLUMN attempts.campaign_id IS 'the campaign it was judged in; null if none';
COMMENT ON COLUMN attempts.shortcode IS 'the shortcode that was sent';
COMMENT ON COLUMN attempts.advocate_id IS 'contact id of the advocate it resolved to';
COMMENT ON COLUMN attempts.source IS 'where it came from, as the caller named it';
COMMENT ON COLUMN attempts.outcome IS 'Outcome of the contract: 1 attributed, 2 already, 3 logged inactive, 4 unresolved';
COMMENT ON COLUMN attempts.inactive_reason IS 'InactiveReason of the contract; 0: none';
COMMENT ON COLUMN attempts.unresolved_reason IS 'UnresolvedReason of the contract; 0: none';
COMMENT ON COLUMN attempts.passed_over IS 'evidence that resolved to nothing: bit n is EvidenceKind n';
COMMENT ON COLUMN attempts.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN attempts.recorded_at IS 'when it was recorded (real clock)';

CREATE TABLE test_clocks (
    tenant_id text        NOT NULL PRIMARY KEY,
    shows     timestamptz NOT NULL
);
COMMENT ON TABLE test_clocks IS 'test clocks of sandbox tenants (M4)';
COMMENT ON COLUMN test_clocks.tenant_id IS 'the sandbox';
COMMENT ON COLUMN test_clocks.shows IS 'what the clock shows; only moves forward';
