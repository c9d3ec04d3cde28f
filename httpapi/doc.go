// Package httpapi lets people and programs talk to tenure over HTTP: it finds out who asks and what they may, serves the API in the shape of
// Microsoft Graph to them, and has operations of its own, from sweeps to what a customer does with a request.
//
// Every request takes the same way, and [Server.ServeHTTP] shows it: an id, limits, a route, permission, then the operation or the Graph.
// The operations are declared with huma, so that the OpenAPI file (docs/openapi.yaml) is written by the code that answers;
// docs/http.md is the reference for people. Whatever goes wrong is told as an RFC 9457 problem document, and all the kinds
// there are stand in problem.go.
//
// It reads a [Store], asks a [Sweeper], is given a [Graph], and knows neither a database nor a queue.
package httpapi
