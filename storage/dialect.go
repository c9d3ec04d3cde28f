package storage

import (
	"regexp"
	"strings"
	"sync"

	"github.com/jmoiron/sqlx"
)

// A dialect is everything in which the two databases differ as far as SQL goes. A query is written once, with the places
// that differ in double braces:
//
//	{{instant}} {{key}} {{bytes}}  types: an instant, an integer key, bytes
//	{{plain}}                      compare text byte by byte
//	{{find}}                       the function that says where in a text another one begins, from 1; 0: nowhere
//	{{clustered}}                  keep the table in the order of its primary key
//	{{lock}} {{lock skip}}         lock the rows read; leave out those that are locked already
//	{{lock n}}                     lock those of table n only
//	{{keep}}                       keep the rows read from being deleted; all else may be done to them
//	{{rows key BIGINT, at INSTANT}} the page of rows in parameter :rows, as a table r
//	{{list rules}}                 the values of the JSON array in parameter :rules, as a subquery
type dialect struct {
	driver   string // of database/sql
	bind     int
	words    map[string]string
	rows     func(columns string) string
	list     func(parameter string) string
	hasTable string // counts the tables called :name
	texts    sync.Map
}

var postgres = &dialect{
	driver: "postgres", bind: sqlx.DOLLAR,
	words: map[string]string{
		"instant": "TIMESTAMPTZ", "key": "BIGINT", "bytes": "BYTEA", "plain": `COLLATE "C"`, "find": "strpos", "clustered": "",
		"lock": "FOR UPDATE", "lock skip": "FOR UPDATE SKIP LOCKED", "lock n": "FOR UPDATE OF n",
		"keep": "FOR KEY SHARE",
	},
	rows: func(columns string) string {
		return "json_to_recordset(CAST(:rows AS json)) AS r(" + strings.ReplaceAll(columns, "INSTANT", "TIMESTAMPTZ") + ")"
	},
	list: func(parameter string) string {
		return "(SELECT json_array_elements_text(CAST(:" + parameter + " AS json)))"
	},
	hasTable: "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = :name",
}

// SQLite has one writer at a time, so there is nothing to lock.
var sqlite = &dialect{
	driver: "sqlite", bind: sqlx.QUESTION,
	words: map[string]string{
		"instant": "TEXT", "key": "INTEGER", "bytes": "BLOB", "plain": "", "find": "instr", "clustered": "WITHOUT ROWID",
		"lock": "", "lock skip": "", "lock n": "", "keep": "",
	},
	rows: func(columns string) string {
		var b strings.Builder
		for i, column := range strings.Split(columns, ",") {
			if i > 0 {
				b.WriteString(", ")
			}
			name := strings.Fields(column)[0]
			b.WriteString("json_extract(value, '$." + name + "') AS " + name)
		}
		// The LIMIT, which limits nothing, has each object's text made once, and not anew for every column.
		return "(SELECT " + b.String() + " FROM (SELECT value FROM json_each(:rows) LIMIT -1)) AS r"
	},
	list: func(parameter string) string {
		return "(SELECT value FROM json_each(:" + parameter + "))"
	},
	hasTable: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name",
}

var braces = regexp.MustCompile(`\{\{([^}]+)\}\}`)

// text fills in what stands in double braces, and remembers queries in which something does.
func (d *dialect) text(query string) string {
	if !strings.Contains(query, "{{") {
		return query
	}
	if known, ok := d.texts.Load(query); ok {
		return known.(string)
	}
	text := d.fill(query)
	d.texts.Store(query, text)
	return text
}

// fill is text for queries of which there is no end, such as those that people put together: they are not remembered.
func (d *dialect) fill(query string) string {
	return braces.ReplaceAllStringFunc(query, func(place string) string {
		place = strings.Trim(place, "{}")
		if word, ok := d.words[place]; ok {
			return word
		}
		switch what, rest, _ := strings.Cut(place, " "); what {
		case "rows":
			return d.rows(rest)
		case "list":
			return d.list(rest)
		}
		panic("storage: no dialect knows {{" + place + "}}") // a query of ours is wrong
	})
}
