-- Partners and customers act on relationships, programs are told of what happens, and another system may provision access.

ALTER TABLE relationships ADD COLUMN approved_at {{instant}};
ALTER TABLE relationships ADD COLUMN assigned INTEGER NOT NULL DEFAULT 0; -- live access assignments
CREATE INDEX relationships_of_partner ON relationships (partner_id, key);
CREATE INDEX relationships_of_customer ON relationships (customer_id, key) WHERE customer_id <> '';

-- Those that another system has to bring to their goal: few at any time.
CREATE INDEX relationships_passing ON relationships (key)
    WHERE status IN ('approved', 'activating', 'expiring', 'terminationRequested', 'terminating');

-- What is left of a draft that was deleted: what its history is about.
CREATE TABLE tombstones (
    key          {{key}} PRIMARY KEY,
    id           TEXT NOT NULL,
    partner_id   TEXT NOT NULL,
    display_name TEXT NOT NULL,
    deleted_at   {{instant}} NOT NULL
);
CREATE INDEX tombstones_ids ON tombstones (id);

-- Who asked for what an event tells of. All are empty where a timer did it. A refusal is an event of type refused: its version
-- is below zero, from counter refusal, and its relationship_key is 0 where it is about none that the caller may know of.
ALTER TABLE events ADD COLUMN caller TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN caller_tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN caller_role TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN action TEXT NOT NULL DEFAULT ''; -- of a refusal: what was asked for
ALTER TABLE events ADD COLUMN subject TEXT NOT NULL DEFAULT ''; -- of a refusal: what it was about
ALTER TABLE events ADD COLUMN detail TEXT NOT NULL DEFAULT '';
CREATE INDEX events_recorded ON events (recorded_at, relationship_key, version);
CREATE INDEX events_refused ON events (caller_tenant, recorded_at, relationship_key, version) WHERE version < 0;

INSERT INTO counters (name, next) VALUES ('refusal', 1), ('subscription', 1), ('bulk', 1);

CREATE TABLE assignments (
    relationship_key BIGINT NOT NULL,
    id               TEXT NOT NULL,
    group_id         TEXT NOT NULL,
    roles            TEXT NOT NULL, -- a JSON array
    status           TEXT NOT NULL,
    created_at       {{instant}} NOT NULL,
    modified_at      {{instant}} NOT NULL,
    version          BIGINT NOT NULL, -- of the relationship, when it was last changed
    PRIMARY KEY (relationship_key, id)
) {{clustered}};
-- This index is what keeps a group from being assigned twice.
CREATE UNIQUE INDEX assignments_live ON assignments (relationship_key, group_id) WHERE status IN ('pending', 'active');

-- Partners that an operator has said something of; all others are authorized.
CREATE TABLE partners (
    tenant_id  TEXT PRIMARY KEY,
    standing   TEXT NOT NULL,
    note       TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at {{instant}} NOT NULL
) {{clustered}};

-- What another system is asked to do. The row goes when it is done.
CREATE TABLE provisioning (
    relationship_key BIGINT PRIMARY KEY,
    version          BIGINT NOT NULL, -- of the relationship, when it was called for
    since            {{instant}} NOT NULL,
    accepted         BOOLEAN NOT NULL DEFAULT FALSE,
    attempts         INTEGER NOT NULL DEFAULT 0,
    claim            INTEGER NOT NULL DEFAULT 0,
    ready_at         {{instant}} NOT NULL, -- by the wall clock: nobody takes it up before; the end of a lease, or of a wait
    last_error       TEXT NOT NULL DEFAULT ''
) {{clustered}};
CREATE INDEX provisioning_ready ON provisioning (ready_at, relationship_key);

CREATE TABLE subscriptions (
    id         {{key}} PRIMARY KEY,
    tenant_id  TEXT NOT NULL, -- empty: told of all tenants
    url        TEXT NOT NULL,
    kinds      TEXT NOT NULL, -- a JSON array; empty: all of them
    secrets    TEXT NOT NULL, -- a JSON array, the newest first
    created_by TEXT NOT NULL,
    created_at {{instant}} NOT NULL
);

CREATE TABLE bulk_jobs (
    id          {{key}} PRIMARY KEY,
    action      TEXT NOT NULL,
    auto_extend BOOLEAN NOT NULL,
    side        TEXT NOT NULL,
    filter      TEXT NOT NULL, -- as OData writes it
    dry_run     BOOLEAN NOT NULL,
    caller      TEXT NOT NULL, -- a JSON object
    caller_tenant TEXT NOT NULL, -- of it; empty: an operator's
    asked_at    {{instant}} NOT NULL,
    state       TEXT NOT NULL,
    cursor_key  BIGINT NOT NULL, -- how far it has come
    upto_key    BIGINT NOT NULL,
    found       BIGINT NOT NULL DEFAULT 0,
    changed     BIGINT NOT NULL DEFAULT 0,
    same        BIGINT NOT NULL DEFAULT 0,
    refused     BIGINT NOT NULL DEFAULT 0,
    finished_at {{instant}},
    claim       INTEGER NOT NULL DEFAULT 0,
    ready_at    {{instant}} NOT NULL -- by the wall clock: nobody takes it up before
);
CREATE INDEX bulk_jobs_running ON bulk_jobs (id) WHERE state = 'running';

CREATE TABLE bulk_results (
    job_id           BIGINT NOT NULL,
    relationship_key BIGINT NOT NULL,
    outcome          TEXT NOT NULL,
    reason           TEXT NOT NULL,
    detail           TEXT NOT NULL,
    PRIMARY KEY (job_id, relationship_key)
) {{clustered}};

-- A token is an operator's, with scopes, or one of a tenant's, with a role.
ALTER TABLE tokens ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT '';
