// Package httpapi lets people and programs ask for a sweep over HTTP, watch it and stop it, and tells whether tenure is well.
//
// Every request takes the same way, and [Server.ServeHTTP] shows it: an id, limits, a route, permission, then the operation.
// The operations are declared with huma, so that the OpenAPI file (docs/openapi.yaml) is written by the code that answers;
// docs/http.md is the reference for people. Whatever goes wrong is told as an RFC 9457 problem document, and all the kinds
// there are stand in problem.go.
//
// It reads a [Store], asks a [Sweeper], and knows neither a database nor a queue.
package httpapi
