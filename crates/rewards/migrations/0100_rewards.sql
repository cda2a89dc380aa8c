-- Programs, decisions, rewards and the ledger. Written in bulk, so rows are narrow and indexes few; enumerations are
-- small numbers, the same as in the contract.

CREATE TABLE program_versions (
    tenant_id      text        NOT NULL,
    campaign_id    text        NOT NULL,
    version        int         NOT NULL,
    name           text        NOT NULL,
    effective_from timestamptz NOT NULL,
    definition     text        NOT NULL,
    after_position bigint      NOT NULL,
    applied_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, version)
);
COMMENT ON TABLE program_versions IS 'reward programs, one a campaign; versions are never changed (R1)';
COMMENT ON COLUMN program_versions.tenant_id IS 'whose program';
COMMENT ON COLUMN program_versions.campaign_id IS 'the campaign it belongs to';
COMMENT ON COLUMN program_versions.version IS 'counts from 1';
COMMENT ON COLUMN program_versions.name IS 'for people';
COMMENT ON COLUMN program_versions.effective_from IS 'transitions from here on are judged by it (business time)';
COMMENT ON COLUMN program_versions.definition IS 'the YAML as it was applied';
COMMENT ON COLUMN program_versions.after_position IS 'position of the transition stream up to which it was not known yet; for verification';
COMMENT ON COLUMN program_versions.applied_at IS 'when it was applied (real clock)';

CREATE TABLE decisions (
    tenant_id         text        NOT NULL,
    transition_id     uuid        NOT NULL,
    rule              text        NOT NULL,
    beneficiary_kind  smallint    NOT NULL,
    level             smallint    NOT NULL DEFAULT 0,
    campaign_id       text        NOT NULL,
    version           int         NOT NULL,
    outcome           smallint    NOT NULL,
    reward_id         uuid,
    amount_minor      bigint,
    amount_currency   text,
    detail            text,
    journey           text        NOT NULL,
    stage             text        NOT NULL,
    number            int         NOT NULL,
    inferred          boolean     NOT NULL,
    occurrence_key    text        NOT NULL,
    contact_id        uuid        NOT NULL,
    advocate_id       uuid,
    attribution_id    uuid,
    order_id          text,
    order_source      text,
    revenue_minor     bigint,
    refunded_minor    bigint,
    order_currency    text,
    external_status   text,
    hubspot_dealstage text,
    event_id          uuid        NOT NULL,
    occurred_at       timestamptz NOT NULL,
    decided_at        timestamptz NOT NULL,
    -- R5: the campaign is a function of the transition; neither the version nor a contact is part of it
    PRIMARY KEY (tenant_id, transition_id, rule, beneficiary_kind, level)
);
-- the tenant comes second: of two indexes that lead with it, a plan made before the table has statistics may take the
-- wrong one for look-ups by transition, and read all of a tenant's rows for each
CREATE INDEX decisions_by_contact ON decisions (contact_id, tenant_id);
CREATE INDEX decisions_by_order ON decisions (order_id, tenant_id) WHERE order_id IS NOT NULL;
COMMENT ON TABLE decisions IS 'why a rule did or did not act on a transition, with all it observed (R12); final unless parked (R5)';
COMMENT ON COLUMN decisions.tenant_id IS 'whose decision';
COMMENT ON COLUMN decisions.transition_id IS 'the transition considered';
COMMENT ON COLUMN decisions.rule IS 'key of the rule';
COMMENT ON COLUMN decisions.beneficiary_kind IS '1 advocate, 2 referred contact, 3 contact';
COMMENT ON COLUMN decisions.level IS 'level above the advocate; 0 but for uplines';
COMMENT ON COLUMN decisions.campaign_id IS 'campaign of the transition';
COMMENT ON COLUMN decisions.version IS 'program version that decided; 0 before the first';
COMMENT ON COLUMN decisions.outcome IS '1 created, 2 condition false, 3 no attribution, 4 zero amount, 5 no order, 6 currency mismatch, 7 before program, 8 inferred, 9 parked';
COMMENT ON COLUMN decisions.reward_id IS 'the reward it created';
COMMENT ON COLUMN decisions.amount_minor IS 'the amount it came to, in minor units';
COMMENT ON COLUMN decisions.amount_currency IS 'currency of that amount';
COMMENT ON COLUMN decisions.detail IS 'of a parked decision: why the rule could not be evaluated';
COMMENT ON COLUMN decisions.journey IS 'observed: journey of the transition';
COMMENT ON COLUMN decisions.stage IS 'observed: stage entered';
COMMENT ON COLUMN decisions.number IS 'observed: number of the transition within its run';
COMMENT ON COLUMN decisions.inferred IS 'observed: whether the transition was inferred';
COMMENT ON COLUMN decisions.occurrence_key IS 'observed: occurrence key; empty for none';
COMMENT ON COLUMN decisions.contact_id IS 'observed: contact of the run';
COMMENT ON COLUMN decisions.advocate_id IS 'observed: advocate of the attribution';
COMMENT ON COLUMN decisions.attribution_id IS 'observed: the attribution';
COMMENT ON COLUMN decisions.order_id IS 'observed: the order; with it the order columns below are set';
COMMENT ON COLUMN decisions.order_source IS 'observed: source of the order';
COMMENT ON COLUMN decisions.revenue_minor IS 'observed: revenue of the order before refunds, in minor units';
COMMENT ON COLUMN decisions.refunded_minor IS 'observed: refunded of it so far, in minor units';
COMMENT ON COLUMN decisions.order_currency IS 'observed: currency of the order';
COMMENT ON COLUMN decisions.external_status IS 'observed: state of the order in the caller''s system';
COMMENT ON COLUMN decisions.hubspot_dealstage IS 'observed: deal stage of the order in HubSpot';
COMMENT ON COLUMN decisions.event_id IS 'event that brought the transition';
COMMENT ON COLUMN decisions.occurred_at IS 'when the transition happened (business time)';
COMMENT ON COLUMN decisions.decided_at IS 'when it was decided (real clock)';

CREATE TABLE rewards (
    tenant_id        text        NOT NULL,
    reward_id        uuid        NOT NULL,
    transition_id    uuid        NOT NULL,
    rule             text        NOT NULL,
    beneficiary_kind smallint    NOT NULL,
    level            smallint    NOT NULL DEFAULT 0,
    campaign_id      text        NOT NULL,
    beneficiary_id   uuid        NOT NULL,
    amount_minor     bigint      NOT NULL CHECK (amount_minor > 0),
    currency         text        NOT NULL,
    state            smallint    NOT NULL,
    automatic        boolean     NOT NULL,
    on_approval      boolean     NOT NULL,
    occurred_at      timestamptz NOT NULL,
    hold_until       timestamptz NOT NULL,
    posted           int         NOT NULL,
    denied_reason    text,
    PRIMARY KEY (tenant_id, reward_id)
);
CREATE INDEX rewards_due ON rewards (tenant_id, hold_until) WHERE state = 1 AND automatic;
COMMENT ON TABLE rewards IS 'what is owed to beneficiaries; its decision holds the rest';
COMMENT ON COLUMN rewards.tenant_id IS 'whose reward';
COMMENT ON COLUMN rewards.reward_id IS 'made by Laurel, ordered by time';
COMMENT ON COLUMN rewards.transition_id IS 'part of the key of its decision';
COMMENT ON COLUMN rewards.rule IS 'part of the key of its decision';
COMMENT ON COLUMN rewards.beneficiary_kind IS 'part of the key of its decision';
COMMENT ON COLUMN rewards.level IS 'part of the key of its decision';
COMMENT ON COLUMN rewards.campaign_id IS 'campaign of the transition';
COMMENT ON COLUMN rewards.beneficiary_id IS 'contact that gets it';
COMMENT ON COLUMN rewards.amount_minor IS 'the amount, in minor units';
COMMENT ON COLUMN rewards.currency IS 'its currency';
COMMENT ON COLUMN rewards.state IS '1 pending, 2 approved, 3 processing, 4 fulfilled, 5 denied (R3)';
COMMENT ON COLUMN rewards.automatic IS 'whether it is approved when its hold is over';
COMMENT ON COLUMN rewards.on_approval IS 'whether it is fulfilled as soon as it is approved';
COMMENT ON COLUMN rewards.occurred_at IS 'when the transition happened (business time)';
COMMENT ON COLUMN rewards.hold_until IS 'when the hold is over (business time); reopening moves it to then if it was over (R7)';
COMMENT ON COLUMN rewards.posted IS 'number of its last posting';
COMMENT ON COLUMN rewards.denied_reason IS 'while denied: why, as a person gave it';

CREATE TABLE postings (
    tenant_id    text        NOT NULL,
    reward_id    uuid        NOT NULL,
    number       int         NOT NULL,
    debit        smallint    NOT NULL,
    credit       smallint    NOT NULL CHECK (credit <> debit),
    currency     text        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    cause        smallint    NOT NULL,
    occurred_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, reward_id, number)
);
COMMENT ON TABLE postings IS 'the ledger: each row moves an amount from one account to another, and so sums to zero; append-only (R10)';
COMMENT ON COLUMN postings.tenant_id IS 'whose ledger';
COMMENT ON COLUMN postings.reward_id IS 'the reward it is for';
COMMENT ON COLUMN postings.number IS 'its number among the reward''s postings, from 1';
COMMENT ON COLUMN postings.debit IS 'account it takes from: 1 budget, 2 pending, 3 payable, 4 paid, 5 receivable';
COMMENT ON COLUMN postings.credit IS 'account it gives to';
COMMENT ON COLUMN postings.currency IS 'currency of the amount';
COMMENT ON COLUMN postings.amount_minor IS 'how much, in minor units';
COMMENT ON COLUMN postings.cause IS '1 created, 2 hold over, 3 fulfilled on approval, 4 moved by hand';
COMMENT ON COLUMN postings.occurred_at IS 'business time';

CREATE TABLE moves (
    tenant_id   text        NOT NULL,
    reward_id   uuid        NOT NULL,
    number      int         NOT NULL,
    action      smallint    NOT NULL,
    reason      text,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, reward_id, number)
);
COMMENT ON TABLE moves IS 'what people did to rewards by hand (R10)';
COMMENT ON COLUMN moves.tenant_id IS 'whose reward';
COMMENT ON COLUMN moves.reward_id IS 'the reward';
COMMENT ON COLUMN moves.number IS 'number of the posting it made';
COMMENT ON COLUMN moves.action IS '1 approve, 2 deny, 3 reopen, 4 fulfil';
COMMENT ON COLUMN moves.reason IS 'why, as the person gave it';
COMMENT ON COLUMN moves.occurred_at IS 'when (the tenant''s clock)';
COMMENT ON COLUMN moves.recorded_at IS 'when (real clock)';

CREATE TABLE credits (
    tenant_id     text   NOT NULL,
    contact_id    uuid   NOT NULL,
    currency      text   NOT NULL,
    balance_minor bigint NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, currency)
);
COMMENT ON TABLE credits IS 'account credit of contacts: what rewards of kind credit have paid them (R11)';
COMMENT ON COLUMN credits.tenant_id IS 'whose contact';
COMMENT ON COLUMN credits.contact_id IS 'the contact';
COMMENT ON COLUMN credits.currency IS 'currency of the credit';
COMMENT ON COLUMN credits.balance_minor IS 'the credit, in minor units';

CREATE TABLE test_clocks (
    tenant_id text        NOT NULL PRIMARY KEY,
    shows     timestamptz NOT NULL
);
COMMENT ON TABLE test_clocks IS 'test clocks of sandboxes, as the transition stream told (M4)';
COMMENT ON COLUMN test_clocks.tenant_id IS 'the sandbox';
COMMENT ON COLUMN test_clocks.shows IS 'what its clock shows';
