package transfer

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// life is a file with a record of every status, and with everything that a record may leave out.
func life(t *testing.T) string {
	t.Helper()
	var lines []string
	for i, s := range lifecycle.Statuses {
		line := active(i+1, `"active"`, `"`+string(s)+`"`)
		if s == lifecycle.Created || s == lifecycle.ApprovalPending || s == lifecycle.Approved || s == lifecycle.Activating {
			line = strings.Replace(line, `"activatedDateTime":"2026-01-07T10:00:00Z","endDateTime":"2027-01-07T10:00:00Z"`, `"endDateTime":null`, 1)
		}
		lines = append(lines, line)
	}
	return strings.Join(append(lines,
		active(30, `"expired"`, `"x"`, `"active"`, `"expired"`, "2027-01-07", "2025-01-07", "2026-01-07T10:00:00Z", "2024-01-07T10:00:00.1234567Z", "2026-01-07T10:00:00Z", "2024-01-07T10:00:00Z", `"status"`, `"nameReleased":true,"status"`),
		active(31, "PT0S", "P180D", "729827e3-9c14-49f7-bb1b-9608f156bbb8", lifecycle.GlobalAdministrator),
		active(32, "Contoso helpdesk 0020", `<b> & \"quoted\" \\ ü 日本 😀`, "P365D", "P104W2D"),
		`{"id":"bare","displayName":"bare","duration":"P1Y","status":"created"}`), "\n")
}

func TestExportImportExportGivesTheSameBytes(t *testing.T) {
	golden := inDir(t)
	first := newMemory()
	r, err := Import(t.Context(), first, options(), file(t, "life.ndjson", life(t)))
	require.NoError(t, err)
	require.Empty(t, r.Faults)
	p := lifecycle.DefaultPolicy()
	for _, shape := range []Shape{ShapeList, ShapeArray, ShapeNDJSON} {
		var once bytes.Buffer
		n, err := WriteRelationships(&once, shape, p, first.eachRecord)
		require.NoError(t, err)
		require.Equal(t, len(first.records), n)
		golden("export_"+string(shape)+".json", once.String())

		o := options()
		o.Partner = ""
		o.Now = noon.AddDate(0, 1, 0) // nothing may hang on when it is read
		second := newMemory()
		r, err := Import(t.Context(), second, o, file(t, "export", once.String()))
		require.NoError(t, err)
		require.Empty(t, r.Faults)
		require.Equal(t, shape, r.Files[0].Shape)
		var twice bytes.Buffer
		_, err = WriteRelationships(&twice, shape, p, second.eachRecord)
		require.NoError(t, err)
		require.Equal(t, once.String(), twice.String())

		r, err = Import(t.Context(), first, o, "export")
		require.NoError(t, err)
		require.Equal(t, len(first.records), r.Total.Unchanged, "an export read back into its own database changes nothing")
	}
}

func TestContactsComeBackAsTheyWere(t *testing.T) {
	golden := inDir(t)
	first := newMemory()
	_, err := Import(t.Context(), first, options(), file(t, "contacts.ndjson",
		contactJSON(partnerA, "adminAgent", "ann@example.com", `Ann "the, A" 日本`, "ja", "Asia/Tokyo", "weekly")+"\n"+
			contactJSON(partnerB, "globalAdministrator", "=cmd@example.com", " leading space", "zh-Hant-TW")+"\n"+
			contactJSON(partnerB, "adminAgent", "o'neil@example.com", "", "")))
	require.NoError(t, err)
	require.Len(t, first.contacts, 3)
	for _, shape := range []Shape{ShapeList, ShapeArray, ShapeNDJSON, ShapeCSV} {
		var once, twice bytes.Buffer
		n, err := WriteContacts(&once, shape, first.eachContact)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		golden("contacts_"+string(shape)+".txt", once.String())
		second := newMemory()
		r, err := Import(t.Context(), second, options(), file(t, "export", once.String()))
		require.NoError(t, err)
		require.Empty(t, r.Faults)
		require.Equal(t, first.contacts, second.contacts)
		_, err = WriteContacts(&twice, shape, second.eachContact)
		require.NoError(t, err)
		require.Equal(t, once.String(), twice.String())
	}
}

func TestExportOfNothingIsAnEmptyList(t *testing.T) {
	p := lifecycle.DefaultPolicy()
	for shape, want := range map[Shape]string{
		ShapeList:   "{\"@odata.context\":\"" + relationshipsContext + "\",\"value\":[\n]}\n",
		ShapeArray:  "[\n]\n",
		ShapeNDJSON: "",
	} {
		var b bytes.Buffer
		n, err := WriteRelationships(&b, shape, p, newMemory().eachRecord)
		require.NoError(t, err)
		require.Zero(t, n)
		require.Equal(t, want, b.String())
		got := readAll(t, bytes.NewReader(b.Bytes()), false)
		require.NotContains(t, got, "|")
	}
	var b bytes.Buffer
	_, err := WriteContacts(&b, ShapeCSV, newMemory().eachContact)
	require.NoError(t, err)
	require.Equal(t, "tenantId,role,mail,displayName,preferredLanguage,timeZone,digest\n", b.String())
}

func TestFullDiskIsSaid(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer func() { require.NoError(t, full.Close()) }()
	store := newMemory()
	r, err := Import(t.Context(), store, options(), func() string { inDir(t); return file(t, "a", active(1)) }())
	require.NoError(t, err)
	require.True(t, r.OK())
	_, err = WriteRelationships(full, ShapeList, lifecycle.DefaultPolicy(), store.eachRecord)
	require.ErrorContains(t, err, "no space left on device")
	for _, shape := range []Shape{ShapeArray, ShapeCSV} {
		_, err = WriteContacts(full, shape, store.eachContact)
		require.ErrorContains(t, err, "no space left on device")
	}
}

func TestExportThatFailsIsNotAWholeList(t *testing.T) {
	lost := errors.New("connection lost")
	var b bytes.Buffer
	n, err := WriteRelationships(&b, ShapeArray, lifecycle.DefaultPolicy(), func(fn func(*lifecycle.Record) error) error {
		if err := fn(&lifecycle.Record{ID: "x"}); err != nil {
			return err
		}
		return lost
	})
	require.ErrorIs(t, err, lost)
	require.Equal(t, 1, n)
	require.NotContains(t, b.String(), "]\n")
	_, err = WriteRelationships(io.Discard, ShapeCSV, lifecycle.DefaultPolicy(), newMemory().eachRecord)
	require.ErrorContains(t, err, `"csv" is not a shape to write; it is list, array or ndjson`)
}
