-- Custom properties of contacts (A15). Values are with the contact, and so go with it; events and requests hold none (A13).
CREATE TABLE contact_properties (
    tenant_id   text        NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    required    boolean     NOT NULL,
    personal    boolean     NOT NULL,
    description text        NOT NULL,
    used        boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE contact_properties IS 'custom properties that tenants define for contacts (A15)';
COMMENT ON COLUMN contact_properties.tenant_id IS 'whose';
COMMENT ON COLUMN contact_properties.name IS 'letters, digits, underscores; with the tenant the natural key';
COMMENT ON COLUMN contact_properties.kind IS 'STRING, INTEGER, DECIMAL or BOOLEAN; for good';
COMMENT ON COLUMN contact_properties.required IS 'contacts that an upsert creates, and those whose properties it changes, must have it';
COMMENT ON COLUMN contact_properties.personal IS 'its values are personal data (A13)';
COMMENT ON COLUMN contact_properties.description IS 'for people';
COMMENT ON COLUMN contact_properties.used IS 'a contact has, or had, a value of it: it cannot be deleted';
COMMENT ON COLUMN contact_properties.created_at IS 'when it was defined (real clock)';
ALTER TABLE contacts ADD COLUMN properties jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN contacts.properties IS
    'personal: values by name, but for those defined not to be (A13); a decimal as {"decimal": "1.5"}';
