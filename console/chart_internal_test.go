package console

import (
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func drawn(t *testing.T, l language, c chart) string {
	t.Helper()
	p, err := readPages(l)
	require.NoError(t, err)
	html, err := p.bars(c)
	require.NoError(t, err)
	return string(html)
}

func TestBarsAreAsTallAsTheirNumbers(t *testing.T) {
	html := drawn(t, english, chart{Title: "Ends", Head: "Day", Series: []string{"a", "b"}, Columns: []column{
		{Name: "1 Mar", Label: "1 Mar", Values: []int64{3000, 1000}, Link: "/console/x?day=1&y=2"}, {Name: "2 Mar", Values: []int64{0, 0}},
		{Name: "3 Mar", Values: []int64{1, 0}},
	}})
	rects := regexp.MustCompile(`<rect class="bar-(\d)" x="[\d.]+%" width="[\d.]+%" y="([\d.]+)" height="([\d.]+)"/>`).FindAllStringSubmatch(html, -1)
	require.Len(t, rects, 3, "nothing is drawn of nothing, and something of little")
	numbers := func(i int) (top, tall float64) {
		top, _ = strconv.ParseFloat(rects[i][2], 64)
		tall, _ = strconv.ParseFloat(rects[i][3], 64)
		return top, tall
	}
	lowTop, low := numbers(0)
	highTop, high := numbers(1)
	require.InDelta(t, 3*high, low, .1)
	require.InDelta(t, chartFloor, lowTop+low, .1, "it stands on the floor")
	require.InDelta(t, lowTop, highTop+high, .1, "and the next one on it")
	require.InDelta(t, chartTop, highTop, .1, "4,000 is the highest line")
	_, least := numbers(2)
	require.GreaterOrEqual(t, least, 1.0)
	require.Contains(t, html, `>4,000</text>`)
	require.Contains(t, html, `<title>1 Mar: a 3,000, b 1,000</title>`)
	require.Contains(t, html, `<th scope="row"><a href="/console/x?day=1&amp;y=2">1 Mar</a></th><td class="number">3,000</td><td class="number">1,000</td><td class="number">4,000</td>`)
}

func TestChartsShowHostileNamesAsText(t *testing.T) {
	html := drawn(t, japanese, chart{Title: `"><script>alert(1)</script>`, Head: "<b>", Series: []string{"</title><img src=x>"},
		Columns: []column{{Name: "<i>", Label: "<u>", Values: []int64{1}, Link: "javascript:alert(1)"}}})
	require.NotRegexp(t, `<(script|img|i|u|b)[> ]|"javascript:`, html)
	for d := xml.NewDecoder(strings.NewReader(html)); ; {
		_, err := d.Token()
		if err == io.EOF { //nolint:errorlint // as the decoder says it
			break
		}
		require.NoError(t, err, "every element ends")
	}
}

func TestChartsOfNothingHaveAnAxis(t *testing.T) {
	html := drawn(t, english, chart{Title: "None", Head: "Day", Series: []string{"a"}})
	require.Contains(t, html, `class="axis"`)
	require.NotContains(t, html, "NaN")
}

func TestAChartRefusesColumnsThatDoNotFit(t *testing.T) {
	p, err := readPages(english)
	require.NoError(t, err)
	_, err = p.bars(chart{Title: "Ends", Series: []string{"a", "b"}, Columns: []column{{Name: "1 Mar", Values: []int64{1}}}})
	require.ErrorContains(t, err, `chart "Ends": column "1 Mar" has 1 values for 2 series`)
}

func TestThereAreFewLinesHoweverHighTheBars(t *testing.T) {
	for highest := int64(0); highest < math.MaxInt64/20; highest = highest*3 + 1 {
		step := rungStep(highest)
		require.LessOrEqual(t, highest, 4*step)
		require.True(t, step == 1 || highest > step, "%d by %d", highest, step)
	}
}
