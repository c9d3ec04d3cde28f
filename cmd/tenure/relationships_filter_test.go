package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
)

func TestFilterThatLeavesNothingOutIsSeen(t *testing.T) {
	policy := lifecycle.DefaultPolicy()
	for filter, all := range map[string]bool{
		"true":                                  true,
		"false":                                 false,
		"true and (true or status eq 'active')": true,
		"status eq 'active' or not false":       true,
		"not (false and status eq 'active')":    true,
		"not (false or not true)":               true,
		"not (status eq 'active' and status eq 'expired')":                  false,
		"startswith(displayName,'') and contains(id,'')":                    true,
		"startswith(displayName,'a')":                                       false,
		"startswith(customer/displayName,'')":                               false, // not those that name no customer
		"true and status eq 'active'":                                       false,
		"status eq 'active' or endDateTime lt 2026-01-01T00:00:00Z":         false,
		"not (status eq 'active') or not (status eq 'active' and not true)": true,
	} {
		f, err := readFilter(filter, policy)
		require.NoError(t, err)
		require.Equal(t, all, wantsAll(f), filter)
	}
	require.True(t, wantsAll(nil))
}

func TestBulkJobOverHTTPIsForAllOnlyIfThatIsSaid(t *testing.T) {
	policy := lifecycle.DefaultPolicy()
	w := works{policy: policy}
	for _, filter := range []string{"startswith(displayName,'')", "status eq 'active' or true", "not false"} {
		_, err := w.bulkFilter(filter)
		require.ErrorIs(t, err, storage.ErrNotNarrow, filter)
	}
	for _, filter := range []string{"true", " true ", "status eq 'active'"} {
		_, err := w.bulkFilter(filter)
		require.NoError(t, err, filter)
	}
}

func TestPlaceOfAMistakeIsPointedAt(t *testing.T) {
	require.Equal(t, "  status eq\n           ^", pointedAt("status eq", 10))
	require.Equal(t, "  日本 x\n     ^", pointedAt("日本 x", 4))
	require.Equal(t, "  a b c\n  ^", pointedAt("a\tb\x1bc", 1))
	long := pointedAt(strings.Repeat("x", 200)+"!"+strings.Repeat("y", 200), 201)
	require.Equal(t, "  "+strings.Repeat("x", 50)+"!"+strings.Repeat("y", 24)+"\n  "+strings.Repeat(" ", 50)+"^", long)
	require.Equal(t, "  \n  ^", pointedAt("", 1))
}
