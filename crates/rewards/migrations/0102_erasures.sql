-- Erasure of contacts (A13): finding what people wrote about their rewards.
CREATE INDEX rewards_by_beneficiary ON rewards (beneficiary_id, tenant_id);
CREATE INDEX moves_said ON moves (reward_id, tenant_id) WHERE reason <> '';
