package console

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	mostExported = 10_000 // more is for `tenure export`
	exportedPage = 1000
)

// exportRelationships answers with what the list shows as a table for other programs. It is read before any of it is sent: half a table
// must not look like a whole one.
func exportRelationships(v *visit) error {
	sift := readSifter(v)
	if len(sift.faults) > 0 {
		return &refusal{http.StatusUnprocessableEntity, strings.Join(sift.faults, " ")}
	}
	q := sift.listing(v.Now)
	q.After, q.Limit, q.Look = nil, exportedPage, furtherLook
	rows := [][]string{{"id", "displayName", "status", "customer/tenantId", "customer/displayName", "partner/tenantId", "autoExtendDuration",
		"globalAdministrator", "endDateTime", "nextRule", "nextDateTime"}}
	for len(rows) <= mostExported {
		found, reached, err := v.lookOnce(q)
		if err != nil {
			return err
		}
		for i := range found {
			rows = append(rows, exported(&found[i], v.console.Policy))
		}
		if q.After = reached; len(found) == exportedPage {
			q.After = &found[len(found)-1]
		}
		if q.After == nil {
			break
		}
	}
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="relationships.csv"`)
	if err := csv.NewWriter(v.w).WriteAll(rows); err != nil {
		v.console.Logger.Debug("a table was not taken", "error", err)
	}
	return nil
}

func exported(l *lifecycle.Listed, p *lifecycle.Policy) []string {
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return lifecycle.FormatInstant(t)
	}
	return []string{l.ID, cell(l.DisplayName), string(l.Status), l.Customer.TenantID, cell(l.Customer.DisplayName), l.Partner,
		p.AutoExtendDuration(l.AutoExtend).String(), strconv.FormatBool(l.HoldsGlobalAdministrator()), instant(l.End), string(l.Next.Rule), instant(l.Next.At)}
}
