// Package lifecycle decides what the clocks of a delegated-admin relationship call for: when a request lapses, a term is
// extended or ends, who must hear of it, and when a name comes free.
//
// It has no database, no queue and no clock of its own. Everything it knows comes in as an argument, and what it decides
// goes out as a value:
//
//	Evaluate(record, policy, now) Decision   // what the timers call for by now
//	Act(record, policy, action, now)         // what a person asks for, on the record as it is now
//
// Start reading at [Rules], the table of everything that a clock may do, then [Evaluate], the one place where a rule meets
// the clock, then [Transitions], the table of every way from one status to another.
//
// The terms of the contract (relationship, rule, timer, due, effective, recorded) are explained in docs/domain.md.
package lifecycle
