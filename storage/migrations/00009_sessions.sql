-- Who has signed in to the console. The secret in their cookie is not kept, only its hash.

CREATE TABLE sessions (
    hash     {{bytes}} PRIMARY KEY,
    token_id BIGINT NOT NULL, -- that it was begun with, and ends with; 0: an issuer vouched for them
    name     TEXT NOT NULL,
    scopes   TEXT NOT NULL, -- a JSON array
    began_at {{instant}} NOT NULL, -- by the machine's clock
    ends_at  {{instant}} NOT NULL
);
CREATE INDEX sessions_ends ON sessions (ends_at);
