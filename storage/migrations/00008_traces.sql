-- What a worker does weeks later, in another process, belongs to the trace of the request or tick that called for it.

-- As W3C Trace Context writes it; empty: nobody traced.
ALTER TABLE sweeps ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE notices ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
