-- The history is never altered and never deleted, whoever asks and with whatever tool.
CREATE TRIGGER events_not_altered BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are kept as they were written: UPDATE refused');
END;
CREATE TRIGGER events_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are kept as they were written: DELETE refused');
END;
