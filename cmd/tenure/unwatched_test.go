//go:build !race

package main

// unwatched does nothing: no process is watched by the race detector.
func unwatched() error { return nil }
