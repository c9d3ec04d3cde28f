package transfer

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// wireSeeds are records that are plain, and those that only just are not.
var wireSeeds = []string{
	active(1), " \t{ \"id\" : \"x\" ,\r\n\"duration\":null}\n", `{}`, `{"id":"x"}`, `{"id":"ü"}`, `{"id":"x","id":"y"}`, `{"ID":"x"}`, `{"id":1}`, `{"id":"a\u0041"}`,
	`{"id":"x","other":1}`, `{"id":"x",}`, `{"id":"x"}}`, `{"id":"x"} {}`, `{"id" "x"}`, `{"id":nul}`, `{"id":nullx}`, `{"nameReleased":true}`,
	`{"nameReleased":truex}`, `{"nameReleased":null}`, `{"nameReleased":1}`, `{"customer":{}}`, `{"customer":null}`, `{"customer":{"tenantId":"a","tenantId":"b"}}`,
	`{"customer":{"displayName":null}}`, `{"customer":[]}`, `{"accessDetails":{}}`, `{"accessDetails":null}`, `{"accessDetails":{"unifiedRoles":null}}`,
	`{"accessDetails":{"unifiedRoles":[]}}`, `{"accessDetails":{"unifiedRoles":[{},{"roleDefinitionId":"r"},null]}}`,
	`{"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"a"},{"roleDefinitionId":"b"},{"roleDefinitionId":"c"},{"roleDefinitionId":"d"},{"roleDefinitionId":"e"}]}}`,
	`{"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"a"}],"unifiedRoles":[]}}`, `{"@odata.etag":"W/\"7\""}`, `{"@odata.etag":"7","endedDateTime":"z"}`,
	`{"createdDateTime":""}`, `{"createdDateTime":null,"endDateTime":"2027"}`, `{"partner":{"tenantId":"p"}}`, "{\"id\":\"a\nb\"}", `[]`, `null`, ``, `{`, `{"id`, `{"id":"x"`,
	`{"displayName":"<a&b> \u2028 é 日"}`,
}

func FuzzWireIsReadAsEncodingJSONReadsIt(f *testing.F) {
	for _, seed := range wireSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // refused before
		}
		got := plainWire([]byte(text))
		if got == nil {
			return // left to encoding/json
		}
		want, err := lifecycle.DecodeWire([]byte(text))
		require.NoError(t, err, "what is no JSON is not plain")
		require.Equal(t, want, got)
	})
}

func FuzzWireIsWrittenAsEncodingJSONWritesIt(f *testing.F) {
	for _, seed := range wireSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := lifecycle.DecodeWire([]byte(text))
		if err != nil {
			return
		}
		want, err := json.Marshal(w)
		require.NoError(t, err)
		require.Equal(t, string(want), string(appendWire(nil, w)))
	})
}

func TestAnExportedRecordIsPlain(t *testing.T) {
	require.NotNil(t, plainWire([]byte(active(1))))
	w, err := decodeWire([]byte(active(1)))
	require.NoError(t, err)
	w.Partner = &lifecycle.WireTenant{TenantID: partnerA}
	r, _, faults := w.Record(lifecycle.DefaultPolicy(), noon)
	require.Empty(t, faults)
	text, err := json.Marshal(r.Wire(lifecycle.DefaultPolicy()))
	require.NoError(t, err)
	require.NotNil(t, plainWire(text))
}
