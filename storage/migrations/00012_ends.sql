-- What ends, and what has ended, is listed by the instant at which it does.
CREATE INDEX clocks_ends ON clocks (end_at, key) WHERE end_at IS NOT NULL;
