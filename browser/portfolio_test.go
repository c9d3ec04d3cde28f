package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The worlds begin here, and their clocks stand still unless they are moved.
var worldBegins = time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)

const partner = "99999999-9999-4999-8999-999999999999"

// awkward are names that break pages: too long to fit, without a place to break, from right to left, and pretending to be something else
// than names. Each world's first customers and relationships are called so, the same in each.
var awkward = []string{
	strings.Repeat("W", 90),
	"شركة الأمل للتقنية المحدودة — مُؤَسَّسَةُ النُّورِ",
	`<script>alert(1)</script>`,
	"חברת שלום בע״מ (שָׁלוֹם) 2026",
	`"><img src=x onerror=alert(1)>`,
	"\u202Edesrever\u202C and back",
	`</title></style></textarea></script><h1>loose`,
	"株式会社とても長い名前を持つ取引先グループホールディングス日本支社情報システム部",
	`';!--"<XSS>=&{()} &lt;b&gt; &amp; %00 {{.}} ${7*7}`,
	"👩‍👩‍👧‍👦 Söhne & Co.\u00a0KG",
	`javascript:alert(1)`,
	"a\u0301\u0327\u0308\u0316" + strings.Repeat("\u0336", 12) + " stacked marks",
}

// shownRecords is how many relationships the world of the pictures in docs/ has. Its names are as people would wish them.
const shownRecords = 240

var pleasant = []string{"Contoso", "Fabrikam", "Adatum", "Northwind Traders", "Operations", "Litware", "Tailspin Toys", "Proseware", "Fourth Coffee", "日本コントソ株式会社",
	"Wide World Importers", "Humongous Insurance"}

// namesIn are the names of the first customers and relationships of the world with so many relationships.
func namesIn(records int) []string {
	if records == shownRecords {
		return pleasant
	}
	return awkward
}

// nameIn is one of them, with something about it that makes it unique, cut to a length.
func nameIn(records, i, longest int) string {
	names := namesIn(records)
	name := []rune(fmt.Sprintf("%d %s", i, names[i%len(names)]))
	if records == shownRecords {
		name = []rune(fmt.Sprintf("%s %d", names[i%len(names)], 2024+i/len(names)))
	}
	return string(name[:min(len(name), longest)])
}

func relationshipID(i int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x-%08x-0000-4000-8000-%012x", i, i, i, i)
}

// A customer has four relationships.
func customerID(i int) string { return fmt.Sprintf("%08x-1111-4111-8111-111111111111", i/4) }

var (
	plainRoles = []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "5d6b6bb7-de71-4623-b4af-96380a352509", "4d6ac14f-3453-41d0-bef9-a3e0c569773a",
		"fe930be7-5e62-47db-91af-98c3a49a38b1", "3a2c62db-5318-420d-8d74-23affee5d9d5"}
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

type object = map[string]any

// writeRelationships writes n relationships, a JSON object a line. The same n always gives the same lines. Those of the first customers come last, so
// that lists of the latest begin with them.
func writeRelationships(w io.Writer, n int) error {
	dice := rand.New(rand.NewPCG(1, uint64(n)))
	lines := bufio.NewWriter(w)
	encode := json.NewEncoder(lines)
	var last []object
	for i := range n {
		r := relationship(n, i, dice)
		if i < 4*len(awkward) {
			last = append(last, r)
		} else if err := encode.Encode(r); err != nil {
			return err
		}
	}
	for _, r := range last {
		if err := encode.Encode(r); err != nil {
			return err
		}
	}
	return lines.Flush()
}

// relationship makes up one. The awkward ones are active and end within the month, so that they are seen everywhere.
func relationship(records, i int, dice *rand.Rand) object {
	name, customer := fmt.Sprintf("%s %06d", []string{"Helpdesk", "Licences", "Security", "Migration"}[i%4], i), fmt.Sprintf("Customer %05d", i/4)
	fate := dice.IntN(100)
	days := 1 + dice.IntN(729)
	if i < 4*len(awkward) {
		customer = nameIn(records, i/4, 256)
		if i%4 == 0 {
			name, fate, days = nameIn(records, i/4, 50), 0, 1+i/4*2
		}
	}
	roles := []object{{"roleDefinitionId": plainRoles[dice.IntN(len(plainRoles))]}}
	if dice.IntN(20) == 0 {
		roles = append(roles, object{"roleDefinitionId": globalAdministrator})
	}
	r := object{
		"id": relationshipID(i), "displayName": name, "duration": "P730D", "autoExtendDuration": "PT0S",
		"partner": object{"tenantId": partner}, "customer": object{"tenantId": customerID(i), "displayName": customer},
		"accessDetails": object{"unifiedRoles": roles},
	}
	// A term that ends in so many days began 730 days before. Thirteen hours of an hour's steps spread the instants over a day.
	hours := time.Duration(dice.IntN(13)) * time.Hour
	end := worldBegins.AddDate(0, 0, days).Add(hours)
	r["createdDateTime"], r["lastModifiedDateTime"] = end.AddDate(0, 0, -740), end.AddDate(0, 0, -730)
	switch {
	case fate < 65:
		r["status"], r["endDateTime"], r["activatedDateTime"] = "active", end, end.AddDate(0, 0, -730)
		if fate >= 40 {
			r["autoExtendDuration"] = "P180D"
		}
	case fate < 75:
		locked := worldBegins.Add(-time.Duration(dice.IntN(89*24)) * time.Hour)
		r["status"], r["lockedDateTime"], r["lastModifiedDateTime"] = "approvalPending", locked, locked
	case fate < 80:
		r["status"] = "created"
	default:
		ended := worldBegins.Add(-time.Duration(1+dice.IntN(400*24)) * time.Hour)
		r["status"], r["endDateTime"] = []string{"expired", "terminated"}[fate%2], ended
		r["activatedDateTime"], r["lastModifiedDateTime"] = ended.AddDate(0, 0, -730), ended
		r["createdDateTime"] = ended.AddDate(0, 0, -740)
	}
	return r
}

// writeContacts writes whom the partner and its first customers have. The other customers have nobody, so that there are notices for
// nobody, too.
func writeContacts(w io.Writer, n int) error {
	encode := json.NewEncoder(w)
	contact := func(tenant, role, mail, name, language string) error {
		return encode.Encode(object{"tenantId": tenant, "role": role, "mail": mail, "displayName": name, "preferredLanguage": language})
	}
	for i, language := range []string{"en", "ja"} {
		if err := contact(partner, "adminAgent", fmt.Sprintf("agent%d@partner.example", i), nameIn(n, i, 256), language); err != nil {
			return err
		}
	}
	for i := 0; i < min(n, 400); i += 4 {
		name, mail := fmt.Sprintf("IT desk %d", i/4), fmt.Sprintf("it%d@customer.example", i/4)
		if i/4 < len(awkward) {
			name = nameIn(n, i/4, 256)
			if n != shownRecords {
				mail = fmt.Sprintf("%s%d@customer.example", strings.Repeat("x", 60), i/4)
			}
		}
		if err := contact(customerID(i), "globalAdministrator", mail, name, []string{"en", "ja"}[i/4%2]); err != nil {
			return err
		}
	}
	return nil
}

func TestTheSamePortfolioIsMadeEachTime(t *testing.T) {
	var one, two strings.Builder
	require.NoError(t, writeRelationships(&one, 200))
	require.NoError(t, writeRelationships(&two, 200))
	require.Equal(t, one.String(), two.String())
	require.Equal(t, 200, strings.Count(one.String(), "\n"))
	require.Equal(t, strings.Repeat("W", 90), awkward[0])
}
