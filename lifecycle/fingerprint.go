package lifecycle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Fingerprint is short for everything that people and timers have said of the record: two records with the same one are the
// same. It is kept with each event, so that a record that was changed behind tenure's back is found out. What the warnings move
// (Version, WarnAfter) and what nobody has said of the relationship itself (Stayed) is left out.
func (r *Record) Fingerprint() string {
	var b strings.Builder
	for _, part := range []string{
		r.ID, r.Partner, r.DisplayName, r.Duration.String(), fmt.Sprint(r.AutoExtend), string(r.Status), r.Customer.TenantID,
		r.Customer.DisplayName, strings.Join(r.Roles, " "), FormatInstant(r.Created), FormatInstant(r.Modified), FormatInstant(r.Locked),
		FormatInstant(r.Approved), FormatInstant(r.Activated), FormatInstant(r.End), FormatInstant(r.NameReleased), fmt.Sprint(r.Assigned),
	} {
		fmt.Fprintf(&b, "%d:%s", len(part), part) // lengths, so that no two records run together
	}
	sum := sha256.Sum256([]byte(b.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:24]) // 192 bits, 32 characters
}
