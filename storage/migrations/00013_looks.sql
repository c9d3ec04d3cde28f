-- Lists of relationships in every order, under every status.

-- Whatever has an end and is neither active nor over is in passing: few at any time. With the other two indexes of ends, lists of any status come by their end.
CREATE INDEX clocks_ends_of_others ON clocks (end_at, key) WHERE end_at IS NOT NULL AND status NOT IN ('active', 'expired', 'terminated');
-- Drafts and requests. A sweep writes nothing here: what it changes leaves this index, or never was in it.
CREATE INDEX clocks_unapproved ON clocks (status, key) WHERE status IN ('created', 'approvalPending');
