package console

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNothingInAFileIsAFormula(t *testing.T) {
	for _, formula := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝HYPERLINK(1)", "＋1", "－1", "＠SUM(A1)"} {
		require.Equal(t, "'"+formula, cell(formula))
	}
	for _, text := range []string{"", "Contoso", "株式会社コントソ", "1 - 2", "'=1", "\xff"} {
		require.Equal(t, text, cell(text))
	}
}
