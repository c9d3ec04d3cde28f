-- What people ask of the deployment itself, done or refused. What is about one relationship is an event of it.

CREATE TABLE deeds (
    id         {{key}} PRIMARY KEY,
    at         {{instant}} NOT NULL, -- by the deployment's clock
    caller     TEXT NOT NULL,
    tenant     TEXT NOT NULL, -- empty: an operator
    role       TEXT NOT NULL,
    address    TEXT NOT NULL,
    request_id TEXT NOT NULL,
    what       TEXT NOT NULL, -- a route; sign in; sign out
    subject    TEXT NOT NULL,
    status     INTEGER NOT NULL,
    detail     TEXT NOT NULL
);
CREATE INDEX deeds_at ON deeds (at, id);
CREATE INDEX deeds_of_callers ON deeds (caller, at, id);
CREATE INDEX deeds_refused ON deeds (at, id) WHERE status >= 400;
CREATE INDEX deeds_of_requests ON deeds (request_id) WHERE request_id <> '';

INSERT INTO counters (name, next) VALUES ('deed', 1);

-- Operators look at what is wrong, a status at a time, and most notices are of none of these.
CREATE INDEX notices_of_status ON notices (status, relationship_key, version, ordinal) WHERE status NOT IN ('queued', 'sent', 'suppressed');
