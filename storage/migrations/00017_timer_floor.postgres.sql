-- Where looks for what is due begin. The index of timers keeps an entry of every timer that has fired until nobody can see it any more, which an
-- old snapshot (a backup) puts off; a look from the beginning of the index steps over all of them. storage/floor.go says how the floor is
-- raised, and why no timer slips below it.

-- One row.
CREATE TABLE timer_floor (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    at          {{instant}} NOT NULL, -- no timer that sweeps look at lies before both this and the first of early_timers
    heard_until {{instant}} NOT NULL, -- who sets a timer before this tells of it in early_timers
    round       BIGINT NOT NULL,      -- how often somebody has begun to raise the floor
    CHECK (at <= heard_until)
);
INSERT INTO timer_floor (one, at, heard_until, round) VALUES (1, '0001-01-02T00:00:00Z', '0001-01-02T00:00:00Z', 0);

-- Timers that were set before heard_until since the floor was raised: of each statement that set some, the earliest.
CREATE TABLE early_timers (
    id    {{serial}} PRIMARY KEY,
    at    {{instant}} NOT NULL,
    round BIGINT NOT NULL -- the floor's by then
);
CREATE INDEX early_timers_at ON early_timers (at);

-- Whoever writes timers, and with whatever tool, tells of early ones in the same transaction. The gate (storage/gate.go) says whether that began before
-- heard_until was raised; our own writers are through it already, and wait for nobody. What is read after it must be as it is by then, which a
-- transaction with one snapshot for all of it cannot see.
CREATE FUNCTION early_timers_are_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'table clocks is written at isolation level read committed only: % refused', TG_OP
            USING HINT = 'Begin the transaction with BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(1952804469, hashtext(current_schema()));
    INSERT INTO early_timers (at, round)
        SELECT w.first, f.round FROM (SELECT min(next_at) AS first FROM written WHERE stayed = FALSE) AS w, timer_floor AS f WHERE w.first < f.heard_until;
    RETURN NULL;
END
$$;
CREATE TRIGGER early_timers_inserted AFTER INSERT ON clocks REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION early_timers_are_told();
CREATE TRIGGER early_timers_updated AFTER UPDATE ON clocks REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION early_timers_are_told();
