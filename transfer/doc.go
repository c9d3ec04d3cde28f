// Package transfer reads and writes files of relationships, contacts and actions, in the shapes that people really have:
// what Microsoft Graph answers, a JSON array, one JSON object per line, and for contacts a spreadsheet saved as CSV.
//
// Everything streams. A file is cut into records of at most 1 MiB, each with the line where it starts; whatever is longer is
// passed over without being read into memory. While a batch is stored the records that follow are read and understood, some 2,500
// of them at the most (see ahead.go). Of a run only a table of hashes grows with the number of records, by some 60
// bytes for each (see seen.go).
//
// Start reading at [Import], then [Reader], which cuts a file into records whatever its shape.
package transfer
