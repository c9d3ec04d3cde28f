// Package browser looks at the console of the built program in a real Chromium, as operators do: on a phone and at a desk, in both languages, by
// day and by night, with nothing in the database and with a hundred thousand records in it.
//
// A visit to a page answers with a sight: everything about the page that somebody would stumble over. Nothing of the program is imported, only what
// starts servers for it: what it cannot be asked on its command line or over HTTP is not known here. Its words are read from their files, to
// tell one story in two languages.
//
// To have a page looked at, add its path to the table in pages_test.go. To look at what comes after a click, write a test with tab.after.
// What pages have to keep to, beyond what browsers and readers want:
//
//   - What is data, such as names, stands in <bdi> or under translate="no", ids in <code>. All else is taken for writing that has to be in the
//     reader's language. A piece of another language says so, with lang.
//   - The language of the page stands in <html lang>. A theme that was chosen in the console stands in <html data-theme>; without one the
//     page follows prefers-color-scheme.
//   - A page names its icon, or the browser asks for /favicon.ico.
//
// `make test-browser` runs it, and before a change lands `make test-browser BROWSER=-short`, without the largest world; the Makefile says how to look at some pages only, or at more.
package browser
