-- Notices leave on channels, some of them folded into digests; operators intervene; addresses are erased.

ALTER TABLE contacts ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN digest TEXT NOT NULL DEFAULT ''; -- daily, weekly; empty: none

ALTER TABLE notices ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
ALTER TABLE notices ADD COLUMN endpoint BOOLEAN NOT NULL DEFAULT FALSE; -- the channel itself is told, and nobody in person
ALTER TABLE notices ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';
ALTER TABLE notices ADD COLUMN claim INTEGER NOT NULL DEFAULT 0; -- grows whenever it changes hands: claimed, settled, ordered about
ALTER TABLE notices ADD COLUMN in_doubt BOOLEAN NOT NULL DEFAULT FALSE; -- an attempt has begun, and nobody has noted how it ended
ALTER TABLE notices ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0; -- attempts of which nobody ever will
ALTER TABLE notices ADD COLUMN settled_at {{instant}}; -- when it became final, by the deployment's clock
ALTER TABLE notices ADD COLUMN erased BOOLEAN NOT NULL DEFAULT FALSE; -- the recipient's name and address
ALTER TABLE notices ADD COLUMN digest_at {{instant}}; -- of a waiting one
ALTER TABLE notices ADD COLUMN digest BIGINT NOT NULL DEFAULT 0; -- of a digested one: the version in the key of the digest, which is (0, version, 1)
ALTER TABLE notices ADD COLUMN note TEXT NOT NULL DEFAULT ''; -- of the operator who changed the status last
ALTER TABLE notices ADD COLUMN noted_by TEXT NOT NULL DEFAULT '';
UPDATE notices SET in_doubt = TRUE WHERE status = 'queued' AND attempts > 0; -- an attempt was counted when it began, and its end noted at once
UPDATE notices SET settled_at = COALESCE(sent_at, recorded_at) WHERE status NOT IN ('queued', 'failed');

DROP INDEX notices_to_send;
CREATE INDEX notices_to_send ON notices (channel, ready_at, relationship_key, version, ordinal) WHERE status IN ('queued', 'failed');
CREATE INDEX notices_for_digests ON notices (digest_at) WHERE status = 'waiting';
CREATE INDEX notices_of_readers ON notices (channel, tenant_id, role, mail, digest_at) WHERE status = 'waiting';
CREATE INDEX notices_in_digests ON notices (digest) WHERE digest > 0;
CREATE INDEX notices_without_recipient ON notices (tenant_id, role) WHERE status = 'noRecipient';
CREATE INDEX notices_dead ON notices (channel) WHERE status = 'dead';
CREATE INDEX notices_unknown ON notices (channel) WHERE unknown > 0;
CREATE INDEX notices_to_erase ON notices (settled_at) WHERE settled_at IS NOT NULL AND erased = FALSE AND mail <> '';

INSERT INTO counters (name, next) VALUES ('digest', 1);

-- How a channel fares that has failed, or was switched off. By the wall clock nothing is sent on it before ready_at.
CREATE TABLE channels (
    name       TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL, -- in a row
    ready_at   {{instant}} NOT NULL,
    last_error TEXT NOT NULL,
    is_off     BOOLEAN NOT NULL,
    changed_at {{instant}} NOT NULL
) {{clustered}};

-- How many letters a recipient has had, where that is limited: so many in the 24 hours from since, by the deployment's clock.
CREATE TABLE rations (
    channel  TEXT {{plain}} NOT NULL,
    mail_key TEXT {{plain}} NOT NULL,
    since    {{instant}} NOT NULL,
    letters  INTEGER NOT NULL,
    PRIMARY KEY (channel, mail_key)
) {{clustered}};
CREATE INDEX rations_since ON rations (since);
