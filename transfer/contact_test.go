package transfer

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestContactIsReadInItsOneWayOfWriting(t *testing.T) {
	want := lifecycle.Contact{TenantID: partnerA, Role: lifecycle.AdminAgents, Mail: "ann@example.com", DisplayName: "Ann", Language: "en-GB"}
	for _, text := range []string{
		`{"tenantId":"` + partnerA + `","role":"adminAgent","mail":"ann@example.com","displayName":"Ann","preferredLanguage":"en-GB"}`,
		`{"tenantId":"` + strings.ToUpper(partnerA) + `","role":"Admin agent","mail":" ann@example.com ","displayName":"Ann","preferredLanguage":"en_gb"}`,
	} {
		got, faults := decodeContact([]byte(text))
		require.Empty(t, faults)
		require.Equal(t, want, got)
	}
}

func TestFaultsOfAContact(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(w *wireContact)
		field string
		says  string
	}{
		"tenant no GUID":         {func(w *wireContact) { w.TenantID = "contoso.onmicrosoft.com" }, "tenantId", "is not a GUID"},
		"role unknown":           {func(w *wireContact) { w.Role = "helpdesk" }, "role", "is not a role that is told of anything"},
		"mail missing":           {func(w *wireContact) { w.Mail = "" }, "mail", "is missing"},
		"mail no address":        {func(w *wireContact) { w.Mail = "ann.example.com" }, "mail", "is not a mail address"},
		"mail with a name":       {func(w *wireContact) { w.Mail = "Ann <ann@example.com>" }, "mail", "is more than a bare mail address"},
		"mail in brackets":       {func(w *wireContact) { w.Mail = "<ann@example.com>" }, "mail", "is more than a bare mail address"},
		"two mails":              {func(w *wireContact) { w.Mail = "a@example.com, b@example.com" }, "mail", "is not a mail address"},
		"mail with a line end":   {func(w *wireContact) { w.Mail = "ann@example.com\r\nBcc: eve@example.com" }, "mail", "is not a mail address"},
		"mail too long":          {func(w *wireContact) { w.Mail = strings.Repeat("a", 250) + "@example.com" }, "mail", "is longer than the 254 characters"},
		"name with a line end":   {func(w *wireContact) { w.DisplayName = "Ann\nBcc: eve@example.com" }, "displayName", "control character U+000A"},
		"name too long":          {func(w *wireContact) { w.DisplayName = strings.Repeat("é", 257) }, "displayName", "has 257 characters"},
		"language no tag":        {func(w *wireContact) { w.PreferredLanguage = "Japanese!" }, "preferredLanguage", "is not a BCP 47 language tag"},
		"language there is none": {func(w *wireContact) { w.PreferredLanguage = "zz" }, "preferredLanguage", "is not a BCP 47 language tag"},
	} {
		t.Run(name, func(t *testing.T) {
			w := wireContact{TenantID: partnerA, Role: "adminAgent", Mail: "ann@example.com", DisplayName: "Ann", PreferredLanguage: "ja"}
			c.edit(&w)
			_, faults := w.contact()
			require.Len(t, faults, 1)
			require.Equal(t, c.field, faults[0].Field)
			require.Contains(t, faults[0].Reason, c.says)
		})
	}
}

func contactJSON(fields ...string) string {
	var w wireContact
	for i, f := range fields {
		*w.column(i) = f
	}
	text, _ := json.Marshal(w)
	return string(text)
}

func TestCSVIsReadAsSpreadsheetsWriteIt(t *testing.T) {
	ann, bob := contactJSON("t", "r", "ann@x", "Ann, the \"A\"", "ja"), contactJSON("t", "r", "bob@x", "", "")
	for name, c := range map[string]struct{ in, want string }{
		"as written":         {"tenantId,role,mail,displayName,preferredLanguage\nt,r,ann@x,\"Ann, the \"\"A\"\"\",ja\nt,r,bob@x,,\n", "csv | 2 " + ann + " | 3 " + bob},
		"any order, more":    {"Mail,note,ROLE,preferredLanguage,displayName, tenantid\r\nann@x,\"a\r\nb\",r,ja,\"Ann, the \"\"A\"\"\",t\r\nbob@x,,r,,,t", "csv | 2 " + ann + " | 4 " + bob},
		"semicolons and BOM": {"\xef\xbb\xbftenantId;role;mail;displayName\nt;r;bob@x;\n", "csv | 2 " + bob},
		"tabs":               {"tenantId\trole\tmail\nt\tr\tbob@x\n", "csv | 2 " + bob},
		"blank lines":        {"\n\ntenantId,role,mail\n\nt,r,bob@x\n\n", "csv | 5 " + bob},
		"header only":        {"tenantId,role,mail", "csv"},
		"quoted header":      {"\"tenantId\",\"role\",\"mail\"\nt,r,bob@x\n", "csv | 2 " + bob},

		"too few fields":   {"tenantId,role,mail\nt,r\nt,r,bob@x\n", "csv | 2! has 2 fields, the header 3 | 3 " + bob},
		"too many fields":  {"tenantId,role,mail\nt,r,x,y\nt,r,bob@x\n", "csv | 2! has 4 fields, the header 3 | 3 " + bob},
		"bare quote":       {"tenantId,role,mail\nt,r,x\"y\nt,r,bob@x\n", "csv | 2! has a quotation mark inside a field without any; put the field into quotation marks and write the inner one twice | 3 " + bob},
		"text behind":      {"tenantId,role,mail\nt,r,\"x\"y\nt,r,bob@x\n", "csv | 2! has text behind a closing quotation mark; inside a field, write it twice | 3 " + bob},
		"quote not closed": {"tenantId,role,mail\nt,r,bob@x\nt,r,\"x\nt,r,bob@x\n", "csv | 2 " + bob + " | broken 3:1 a quotation mark opens in this row and is never closed"},
		"not UTF-8":        {"tenantId,role,mail\nt,r,M\xfcller\nt,r,bob@x\n", "csv | 2! is not valid UTF-8; save the file as UTF-8 | 3 " + bob},
		"long row":         {"tenantId,role,mail\nt,r," + strings.Repeat("x", maxRecord) + "\nt,r,bob@x\n", "csv | 2! is longer than 1 MiB and was passed over | 3 " + bob},
		"column missing":   {"tenantId,displayName\nt,r\n", "f: its header line lacks role and mail; a CSV begins with the header tenantId,role,mail,displayName,preferredLanguage"},
		"column twice":     {"tenantId,role,mail,Mail\nt,r,a,b\n", "f: has the column mail twice; leave one out"},
		"header broken":    {"tenantId,\"role,mail\n", "f: its header line cannot be read; write it like tenantId,role,mail,displayName,preferredLanguage"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, readAll(t, strings.NewReader(c.in), false))
		})
	}
}

// FuzzCSV holds the own reader against that of the standard library, which it replaces for its memory.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\n\"x\"\"y\",\"z\n\"\n")
	f.Add("t,r,\"x\"y\n\n;")
	f.Add("\"a\" ,b\n")
	f.Fuzz(func(t *testing.T, in string) {
		theirs := csv.NewReader(strings.NewReader(in))
		theirs.FieldsPerRecord = -1
		want, err := theirs.ReadAll()
		if err != nil || strings.Contains(in, "\r") || strings.HasPrefix(in, string(byteOrderMark)) {
			t.Skip("what it refuses, and how it mends line ends, is its own affair")
		}
		ours := csvReader{s: newScanner(strings.NewReader(in)), comma: ','}
		for _, fields := range want {
			row, err := ours.row()
			for err == nil && row.size == 1 && row.over { // a line of nothing but its end
				row, err = ours.row()
			}
			require.NoError(t, err)
			if strings.ToValidUTF8(in, "") == in {
				require.Empty(t, row.why)
				require.Equal(t, fields, row.fields)
			}
		}
		for {
			row, err := ours.row()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			require.True(t, row.blank())
		}
	})
}
