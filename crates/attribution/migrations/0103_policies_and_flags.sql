-- Policies of campaigns (A5, A7, A8), and flags of contacts (A15). The defaults are what held before there were policies.
ALTER TABLE campaigns
    ADD COLUMN self_referral smallint NOT NULL DEFAULT 1 CHECK (self_referral BETWEEN 1 AND 3),
    ADD COLUMN eligibility   smallint NOT NULL DEFAULT 1 CHECK (eligibility BETWEEN 1 AND 2),
    ADD COLUMN window_days   smallint NOT NULL DEFAULT 90 CHECK (window_days BETWEEN 1 AND 365),
    ADD COLUMN paused        boolean  NOT NULL DEFAULT false;
COMMENT ON COLUMN campaigns.self_referral IS 'SelfReferralPolicy of the contract: 1 block, 2 flag, 3 allow (A7)';
COMMENT ON COLUMN campaigns.eligibility IS 'EligibilityPolicy of the contract: 1 any contact, 2 new contacts only (A7)';
COMMENT ON COLUMN campaigns.window_days IS 'for so many days a visit counts as evidence (A8)';
COMMENT ON COLUMN campaigns.paused IS 'whether it takes no new attributions for the time being (A5)';

ALTER TABLE contacts ADD COLUMN flags jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN contacts.flags IS
    'personal, for people write the reasons: a list with one flag of each FlagCause at most, those lifted among them (A15)';

ALTER TABLE attributions
    DROP CONSTRAINT IF EXISTS attributions_inactive_reason_check,
    ADD CONSTRAINT attributions_inactive_reason_check CHECK (inactive_reason BETWEEN 0 AND 4) NOT VALID;
COMMENT ON COLUMN attributions.inactive_reason IS
    'InactiveReason of the contract: 0 it is active, 1 duplicate, 2 self-referral, 3 deactivated by hand, 4 not eligible';
