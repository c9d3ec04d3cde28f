-- An issuer that vouched for somebody is asked again; of sessions that are there already it is not known for whom it did, so they end.
ALTER TABLE sessions ADD COLUMN subject TEXT NOT NULL DEFAULT ''; -- whom the issuer speaks of; empty: a token vouches for them
ALTER TABLE sessions ADD COLUMN checked_at {{instant}}; -- when it last did, by the machine's clock
DELETE FROM sessions WHERE token_id = 0;

-- Of those that nobody knows, who tried to sign in, there is one deed for an address and an hour.
ALTER TABLE deeds ADD COLUMN times BIGINT NOT NULL DEFAULT 1; -- that it was tried
