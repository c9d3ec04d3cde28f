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

func TestContactThatIsNoObjectOfTextsIsAFault(t *testing.T) {
	_, faults := decodeContact([]byte(`{"tenantId":7}`))
	require.Equal(t, []lifecycle.Fault{{Field: "tenantId", Value: "number", Reason: "is not of the right type, want string"}}, faults)
}

func contactJSON(fields ...string) string {
	var w lifecycle.WireContact
	for i, f := range fields {
		*w.Column(i) = f
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
		"zone and digest":    {"timeZone,digest,tenantId,role,mail\nAsia/Tokyo,daily,t,r,bob@x\n", "csv | 2 " + contactJSON("t", "r", "bob@x", "", "", "Asia/Tokyo", "daily")},
		"header only":        {"tenantId,role,mail", "csv"},
		"quoted header":      {"\"tenantId\",\"role\",\"mail\"\nt,r,bob@x\n", "csv | 2 " + bob},

		"too few fields":   {"tenantId,role,mail\nt,r\nt,r,bob@x\n", "csv | 2! has 2 fields, the header 3 | 3 " + bob},
		"too many fields":  {"tenantId,role,mail\nt,r,x,y\nt,r,bob@x\n", "csv | 2! has 4 fields, the header 3 | 3 " + bob},
		"bare quote":       {"tenantId,role,mail\nt,r,x\"y\nt,r,bob@x\n", "csv | 2! has a quotation mark inside a field without any; put the field into quotation marks and write the inner one twice | 3 " + bob},
		"text behind":      {"tenantId,role,mail\nt,r,\"x\"y\nt,r,bob@x\n", "csv | 2! has text behind a closing quotation mark; inside a field, write it twice | 3 " + bob},
		"quote not closed": {"tenantId,role,mail\nt,r,bob@x\nt,r,\"x\nt,r,bob@x\n", "csv | 2 " + bob + " | broken 3:1 a quotation mark opens in this row and is never closed"},
		"not UTF-8":        {"tenantId,role,mail\nt,r,M\xfcller\nt,r,bob@x\n", "csv | 2! is not valid UTF-8; save the file as UTF-8 | 3 " + bob},
		"long row":         {"tenantId,role,mail\nt,r," + strings.Repeat("x", maxRecord) + "\nt,r,bob@x\n", "csv | 2! is longer than 1 MiB and was passed over | 3 " + bob},
		"column missing":   {"tenantId,displayName\nt,r\n", "f: its header line lacks role and mail; a CSV begins with the header tenantId,role,mail,displayName,preferredLanguage,timeZone,digest"},
		"column twice":     {"tenantId,role,mail,Mail\nt,r,a,b\n", "f: has the column mail twice; leave one out"},
		"header broken":    {"tenantId,\"role,mail\n", "f: its header line cannot be read; write it like tenantId,role,mail,displayName,preferredLanguage,timeZone,digest"},
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
