-- What ends, and what has ended, is listed by the instant at which it does. Two indexes, so that neither is looked for among the other.
CREATE INDEX clocks_ends ON clocks (end_at, key) WHERE status = 'active';
CREATE INDEX clocks_ended ON clocks (end_at, key) WHERE status IN ('expired', 'terminated');
