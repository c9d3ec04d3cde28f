package storage

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// nameKey is what display names are compared by: two names that differ only in case, or in how their accents are put
// together, have the same key. Source: Unicode 15, D145 (canonical caseless matching), kept in NFC.
func nameKey(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
}
