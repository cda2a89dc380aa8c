-- What became of attributions and contacts (A10), and when an attribution was in force before it was activated again (A3).
ALTER TABLE attributions ADD COLUMN past tstzmultirange NOT NULL DEFAULT '{}';
COMMENT ON COLUMN attributions.past IS 'when it was in force before it was activated again (business time)';
COMMENT ON COLUMN attributions.inactive_reason IS
    'InactiveReason of the contract: 0 it is active, 1 duplicate, 2 self-referral, 3 deactivated by hand';
COMMENT ON COLUMN attributions.evidence IS 'EvidenceKind of the contract: 1 shortcode, 2 advocate named, 5 none, by hand';
ALTER TABLE attributions DROP CONSTRAINT attributions_inactive_reason_check;
ALTER TABLE attributions ADD CONSTRAINT attributions_inactive_reason_check CHECK (inactive_reason BETWEEN 0 AND 3) NOT VALID;
-- one that came of a reassignment counts no attempt
ALTER TABLE attributions DROP CONSTRAINT attributions_attempts_check;
ALTER TABLE attributions ADD CONSTRAINT attributions_attempts_check CHECK (attempts >= 0) NOT VALID;

CREATE TABLE attribution_changes (
    tenant_id      text        NOT NULL,
    contact_id     uuid        NOT NULL,
    campaign_id    text        NOT NULL,
    change_no      bigint      GENERATED ALWAYS AS IDENTITY,
    attribution_id uuid        NOT NULL,
    advocate_id    uuid        NOT NULL,
    from_reason    smallint,
    to_reason      smallint    NOT NULL,
    principal      text        NOT NULL,
    method         text        NOT NULL,
    reason         text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, campaign_id, change_no)
);
COMMENT ON TABLE attribution_changes IS 'every change of every attribution: who, when, from, to, why (A10)';
COMMENT ON COLUMN attribution_changes.tenant_id IS 'whose attribution';
COMMENT ON COLUMN attribution_changes.contact_id IS 'its referred contact';
COMMENT ON COLUMN attribution_changes.campaign_id IS 'its campaign';
COMMENT ON COLUMN attribution_changes.change_no IS 'given under the sequencer lock, so that its order is the order of commits';
COMMENT ON COLUMN attribution_changes.attribution_id IS 'which attribution';
COMMENT ON COLUMN attribution_changes.advocate_id IS 'contact id of its advocate';
COMMENT ON COLUMN attribution_changes.from_reason IS 'attributions.inactive_reason before: 0 it was active; null: it came to be';
COMMENT ON COLUMN attribution_changes.to_reason IS 'attributions.inactive_reason since';
COMMENT ON COLUMN attribution_changes.principal IS 'who did it';
COMMENT ON COLUMN attribution_changes.method IS 'by which RPC';
COMMENT ON COLUMN attribution_changes.reason IS 'free text of the caller, and so personal data (A13)';
COMMENT ON COLUMN attribution_changes.occurred_at IS 'when it happened (business time, M3)';
COMMENT ON COLUMN attribution_changes.recorded_at IS 'when it was recorded (real clock, M3)';

CREATE TABLE contact_changes (
    tenant_id   text        NOT NULL,
    contact_id  uuid        NOT NULL,
    change_no   bigint      GENERATED ALWAYS AS IDENTITY,
    from_status smallint    NOT NULL,
    to_status   smallint    NOT NULL,
    principal   text        NOT NULL,
    method      text        NOT NULL,
    reason      text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, change_no)
);
COMMENT ON TABLE contact_changes IS 'every change of a contact''s status (A10)';
COMMENT ON COLUMN contact_changes.tenant_id IS 'whose contact';
COMMENT ON COLUMN contact_changes.contact_id IS 'which contact';
COMMENT ON COLUMN contact_changes.change_no IS 'given under the sequencer lock, so that its order is the order of commits';
COMMENT ON COLUMN contact_changes.from_status IS 'contacts.status before';
COMMENT ON COLUMN contact_changes.to_status IS 'contacts.status since';
COMMENT ON COLUMN contact_changes.principal IS 'who did it';
COMMENT ON COLUMN contact_changes.method IS 'by which RPC';
COMMENT ON COLUMN contact_changes.reason IS 'free text of the caller, and so personal data (A13)';
COMMENT ON COLUMN contact_changes.occurred_at IS 'when it happened (business time, M3)';
COMMENT ON COLUMN contact_changes.recorded_at IS 'when it was recorded (real clock, M3)';
