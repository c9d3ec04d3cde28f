// Package graph lets people and programs manage relationships in the words of Microsoft Graph v1.0, so that a client made for
// Graph works with tenure once its base address is changed.
//
// An [API] is asked by whoever has found out who is calling; what a caller may do with a relationship is decided here. Read
// [routes] first, the table of all that is answered. docs/graph.md tells the same to those who call.
package graph
