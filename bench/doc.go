// Package bench measures tenure beside what people would use instead, and beside the limit that the machine sets.
//
// Machines are noisy, so nothing here is asserted. Contenders take turns within one run, several rounds of it; what is shown is
// the median of each and its ratio to the limit.
package bench
