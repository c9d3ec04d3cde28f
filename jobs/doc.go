// Package jobs makes the clocks of a million relationships fire on time, once, whatever dies in between.
//
// A tick of a schedule, or somebody's request, opens a sweep; the sweep is cut into chunks of some thousand records that are
// due; a worker takes a chunk up, lets lifecycle decide on each record, and writes all decisions in one transaction together
// with what must be said. The courier then sends what must be said.
//
// The database remembers, the queue only rings the bell: every sweep, chunk and notice is a row, so losing the whole of
// Redis at any moment loses nothing and doubles nothing. Begin reading at [Sweeper], in sweep.go.
//
// Two more kinds of work are rows in the same way: [Provisioning] asks another system to give access and to take it away, until it
// has; [Bulk] does one thing to many relationships, page by page.
package jobs
