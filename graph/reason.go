package graph

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// reasonHeader says why something is asked for. Graph has none; it is percent-encoded, since headers hold ASCII only.
const reasonHeader = "Tenure-Reason"

// readReason reads why a change is asked for, if the caller says so.
func (x *exchange) readReason() error {
	sent := strings.TrimSpace(x.r.Header.Get(reasonHeader))
	if sent == "" {
		return nil
	}
	reason, err := url.PathUnescape(sent)
	if err != nil {
		return refused(http.StatusBadRequest, "%s: a percent sign has to be followed by two hexadecimal digits; write the sign itself as %%25.", reasonHeader)
	}
	if lifecycle.CheckNote(reason) != nil {
		return refused(http.StatusBadRequest, "%s has more than 500 characters, or control characters, or is not valid UTF-8.", reasonHeader)
	}
	x.reason = strings.TrimSpace(reason)
	return nil
}
