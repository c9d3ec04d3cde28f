// Package browser looks at the console of the built program in a real Chromium, as operators do: on a phone and at a desk, in both languages, by
// day and by night, with nothing in the database and with a hundred thousand records in it.
//
// A visit to a page answers with a sight: everything about the page that somebody would stumble over. Nothing of ours is imported: what
// the program cannot be asked on its command line or over HTTP is not known here.
//
// To have a page looked at, add a line to the table in pages_test.go.
package browser
