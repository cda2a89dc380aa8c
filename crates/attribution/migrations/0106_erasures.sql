-- Erasure of contacts (A13).
ALTER TABLE contacts ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN contacts.erased_at IS 'when the contact was erased (business time): nothing here says any more who it was; null: it was not';
ALTER TABLE contacts DROP CONSTRAINT contacts_check;
ALTER TABLE contacts ADD CONSTRAINT contacts_named CHECK (email IS NOT NULL OR uid IS NOT NULL OR erased_at IS NOT NULL) NOT VALID;

CREATE TABLE erased_names (
    tenant_id  text     NOT NULL,
    contact_id uuid     NOT NULL,
    kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    name       text     NOT NULL,
    erased_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, kind, name)
);
CREATE INDEX erased_names_by_age ON erased_names (erased_at);
COMMENT ON TABLE erased_names IS 'by what erased contacts were known, until what holds these names is gone, and 7 days at most';
COMMENT ON COLUMN erased_names.tenant_id IS 'whose contact';
COMMENT ON COLUMN erased_names.contact_id IS 'the contact';
COMMENT ON COLUMN erased_names.kind IS '1 e-mail address, 2 uid, 3 visitor id';
COMMENT ON COLUMN erased_names.name IS 'personal: the name';
COMMENT ON COLUMN erased_names.erased_at IS 'when it was erased (real clock)';

-- what is looked for when an advocate is erased; few changes have a reason
CREATE INDEX attribution_changes_said_of_advocate ON attribution_changes (advocate_id, tenant_id) WHERE reason <> '';
-- an e-mail address that was sent in place of a code
CREATE INDEX attempts_by_address_as_shortcode ON attempts (lower(shortcode), tenant_id) WHERE shortcode LIKE '%@%';
CREATE INDEX attempts_by_address_as_coupon_code ON attempts (lower(coupon_code), tenant_id) WHERE coupon_code LIKE '%@%';
