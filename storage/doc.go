// Package storage keeps relationships, what happened to them, and what must still be said, in one database: PostgreSQL, or
// a file of SQLite.
//
// A [DB] is either of the two, and behaves the same. Each exported method is one whole transaction, and each may be
// repeated after a crash: what was done already is not done again. Nothing here reads the clock; every instant comes in as
// an argument. A status is mere text here: what it means is for package lifecycle to say.
//
// What the database itself enforces, against this package too: a display name is held once (a partial unique index), a
// step in the life of a record is written once (the key of events), a notice exists once (the key of notices), a tick
// opens a sweep once (the key of ticks), and events are never altered and never deleted (triggers).
//
// Start reading at migrations/00001_tables.sql, then apply.go, through which every change to a record goes.
package storage
