// Package audit goes through the history again and says where it is not what it should be.
//
// It is the second opinion on the product: it recomputes from the events what the timers had to do and when, and compares that
// with what the database holds. So that a mistake is not made twice it was written from docs/domain.md and asks none of the
// functions that decide in package lifecycle; it knows that package's types, and its calendar. A test holds that.
package audit
