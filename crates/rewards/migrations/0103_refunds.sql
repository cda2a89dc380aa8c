-- Refunds and flags (R9, A9): facts from upstream are kept, and what each of them did to which reward.

-- a refund may leave nothing due
ALTER TABLE rewards DROP CONSTRAINT rewards_amount_minor_check;
ALTER TABLE rewards ADD CONSTRAINT rewards_amount_minor_check CHECK (amount_minor >= 0) NOT VALID;
COMMENT ON COLUMN rewards.amount_minor IS 'what is due now, in minor units; refunds have lowered it (R9)';
COMMENT ON COLUMN rewards.state IS '1 pending, 2 approved, 3 processing, 4 fulfilled, 5 denied, 6 flagged, 7 reversed (R3)';
COMMENT ON COLUMN rewards.hold_until IS 'when the hold is over (business time); reopening and lifting a flag move it to then if it was over (R7)';
COMMENT ON COLUMN rewards.posted IS 'number of its last step; each has a posting, a turn, or both';
COMMENT ON COLUMN rewards.denied_reason IS 'while denied by a person: why';
COMMENT ON COLUMN postings.number IS 'number of the step among the reward''s steps, from 1; a step that moves no money has no posting';
COMMENT ON COLUMN postings.cause IS '1 created, 2 hold over, 3 fulfilled on approval, 4 moved by hand, 5 refunded, 6 netted';
COMMENT ON COLUMN moves.number IS 'number of the first step it made';

ALTER TABLE decisions ADD COLUMN carried boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN decisions.carried IS 'observed: whether a timer or a waiting entry made the transition, so that the order may be as it was earlier';

CREATE TABLE order_facts (
    tenant_id      text        NOT NULL,
    event_id       uuid        NOT NULL,
    seq            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    order_id       text        NOT NULL,
    source         text        NOT NULL,
    revenue_minor  bigint      NOT NULL,
    refunded_minor bigint      NOT NULL,
    currency       text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX order_facts_by_order ON order_facts (order_id, tenant_id);
COMMENT ON TABLE order_facts IS 'refunds and cancellations of orders, as the transition stream told (R9)';
COMMENT ON COLUMN order_facts.tenant_id IS 'whose order';
COMMENT ON COLUMN order_facts.event_id IS 'the event that told it: the same again changes nothing';
COMMENT ON COLUMN order_facts.seq IS 'orders facts as they came';
COMMENT ON COLUMN order_facts.order_id IS 'the order';
COMMENT ON COLUMN order_facts.source IS 'the system it comes from';
COMMENT ON COLUMN order_facts.revenue_minor IS 'revenue of the order before refunds, after the fact, in minor units';
COMMENT ON COLUMN order_facts.refunded_minor IS 'refunded of it in all, after the fact, in minor units';
COMMENT ON COLUMN order_facts.currency IS 'currency of both';
COMMENT ON COLUMN order_facts.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN order_facts.recorded_at IS 'when it was applied (real clock)';

CREATE TABLE contact_facts (
    tenant_id   text        NOT NULL,
    event_id    uuid        NOT NULL,
    seq         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    contact_id  uuid        NOT NULL,
    kind        smallint    NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX contact_facts_by_contact ON contact_facts (contact_id, tenant_id, seq);
COMMENT ON TABLE contact_facts IS 'flags and bans of contacts, as the transition stream told; the last of a sort counts (A9)';
COMMENT ON COLUMN contact_facts.tenant_id IS 'whose contact';
COMMENT ON COLUMN contact_facts.event_id IS 'the event that told it: the same again changes nothing';
COMMENT ON COLUMN contact_facts.seq IS 'orders facts as they came';
COMMENT ON COLUMN contact_facts.contact_id IS 'the contact';
COMMENT ON COLUMN contact_facts.kind IS '1 flagged, 2 all flags lifted; 3 banned, 4 any other status';
COMMENT ON COLUMN contact_facts.occurred_at IS 'when it happened (business time)';
COMMENT ON COLUMN contact_facts.recorded_at IS 'when it was applied (real clock)';

CREATE TABLE turns (
    tenant_id    text        NOT NULL,
    reward_id    uuid        NOT NULL,
    number       int         NOT NULL,
    kind         smallint    NOT NULL,
    event_id     uuid,
    amount_minor bigint,
    occurred_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, reward_id, number)
);
COMMENT ON TABLE turns IS 'what facts and debts did to rewards (R9, A9); with the moves of people, all that moves one (R10)';
COMMENT ON COLUMN turns.tenant_id IS 'whose reward';
COMMENT ON COLUMN turns.reward_id IS 'the reward';
COMMENT ON COLUMN turns.number IS 'number of the step among the reward''s steps';
COMMENT ON COLUMN turns.kind IS '1 refunded, 2 flagged, 3 flag lifted, 4 netted';
COMMENT ON COLUMN turns.event_id IS 'of all but a netting: the fact that did it';
COMMENT ON COLUMN turns.amount_minor IS 'refunded: what is due from then on; netted: what the beneficiary owed before; in minor units';
COMMENT ON COLUMN turns.occurred_at IS 'business time';

CREATE TABLE receivables (
    tenant_id  text   NOT NULL,
    contact_id uuid   NOT NULL,
    currency   text   NOT NULL,
    owed_minor bigint NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, currency)
);
COMMENT ON TABLE receivables IS 'what beneficiaries owe back, since orders were refunded after their rewards were paid; payouts net it first (R9)';
COMMENT ON COLUMN receivables.tenant_id IS 'whose contact';
COMMENT ON COLUMN receivables.contact_id IS 'the contact';
COMMENT ON COLUMN receivables.currency IS 'currency of the debt';
COMMENT ON COLUMN receivables.owed_minor IS 'the debt, in minor units';
