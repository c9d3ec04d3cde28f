// Package bench measures tenure beside what people would use instead, and beside the limit that the machine sets.
//
// Contenders take turns within one run, several rounds of it; what is shown is the median of each and its ratio to the limit.
// Machines are noisy, so a target that is missed is said and fails nothing. What does fail is a contender that loses a record, an event
// or a notice, or does one of them twice: the books are checked after each run.
package bench
