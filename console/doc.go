// Package console is what an operations team looks at: pages that say whether all is well, what is going to happen, and let
// people act where they may.
//
// Pages are made on the server from [html/template] and need no script to be read or used; the one script brings them up to date
// while somebody looks. What a page shows is read from the [Store]; what somebody does goes through the [Door] to the HTTP
// interface, as a request of theirs, so that permissions, checks and the log of activities are the same wherever it was done.
//
// A page is three files: x.go with what it reads, templates/x.html, and words/x.yaml with what it says in each language.
package console
