package browser

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Columns of a table move as long as rows arrive, so a page is not shown before its end is there, however slowly it comes.
func TestPagesAreShownWhenAllOfThemIsThere(t *testing.T) {
	d, tb := deploy(t, fewRecords), open(t)
	tb.login(d.site)
	tb.within(visitLimit, "a page that comes in halves", func(ctx context.Context) error {
		if err := tb.travel(ctx, inHalves(t, d.site).URL+"/console/relationships"); err != nil {
			return err
		}
		shown, err := ask[[]float64](ctx, `[performance.getEntriesByType("paint")[0].startTime, performance.getEntriesByType("navigation")[0].responseEnd, document.querySelectorAll("tbody tr").length]`)
		require.NoError(t, err)
		require.Greater(t, shown[1], float64(halfTime.Milliseconds()))
		require.GreaterOrEqual(t, shown[0], shown[1], "milliseconds until something was shown, and until the end was there")
		require.NotZero(t, shown[2], "rows")
		return nil
	})
}

const halfTime = 300 * time.Millisecond

// inHalves is the site as it comes over a slow line: of each page the second half a while after the first.
func inHalves(t *testing.T, s site) *httptest.Server {
	to, err := url.Parse(s.url)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding")
		},
		FlushInterval: -1,
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
				return nil
			}
			all, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			r.Header.Set("Content-Length", strconv.Itoa(len(all)))
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(all[:len(all)/2])), &late{Reader: strings.NewReader(string(all[len(all)/2:]))}))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server
}

// late is read a while after somebody wants to.
type late struct {
	io.Reader
	waited bool
}

func (l *late) Read(b []byte) (int, error) {
	if !l.waited {
		l.waited = true
		time.Sleep(halfTime)
	}
	return l.Reader.Read(b)
}
