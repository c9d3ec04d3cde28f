// Package outlook says what the timers of all relationships are going to do, before any of it happens: the plan, record by record
// and day by day; what another policy would change about it; the forecast by weeks; and the plan as a file, which can be applied
// to the letter.
//
// All of it is [lifecycle.Ahead], counted. It has no database: whoever calls hands the relationships over, page by page, so that
// memory stays bounded however many there are.
package outlook
