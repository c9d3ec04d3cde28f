// Package storm shows that tenure loses and doubles nothing while everything that it stands on breaks.
//
// A storm is a deployment as operations teams run it: schedulers, workers and APIs as processes of their own, PostgreSQL, Redis
// and a mail server. While partners and customers create, lock, approve, terminate and switch relationships over HTTP, and two
// years pass on a sandbox's clock, processes are killed and frozen, servers crash, disks fill up and connections break. Then
// it calms down, everything has to drain, and the books are compared: what was answered, what happened, and who got mail.
//
// There are only tests here. `go test ./storm` is a short one, `make storm` a long one; docs/storm.md says how to read it.
package storm
