package graph

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// etag writes a version as an entity tag.
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// A match is what If-Match asks for.
type match struct {
	any      bool
	versions []int64
}

// fits says whether something at this version is what the caller has seen.
func (m *match) fits(version int64) bool {
	return m.any || slices.Contains(m.versions, version)
}

const mostTags = 20 // of one If-Match

// ifMatch reads the header. A tag that is none of ours fits nothing, as one that is stale.
func (x *exchange) ifMatch() (match, error) {
	lines := x.r.Header.Values("If-Match")
	text := strings.TrimSpace(strings.Join(lines, ","))
	if text == "" {
		return match{}, refused(http.StatusPreconditionRequired,
			"The header If-Match is missing. Read the resource, and send its @odata.etag, so that nobody's change is lost; `If-Match: *` stands for any.")
	}
	if text == "*" {
		return match{any: true}, nil
	}
	tags := strings.Split(text, ",")
	if len(tags) > mostTags {
		return match{}, refused(http.StatusBadRequest, "If-Match names %d etags; at most %d are allowed.", len(tags), mostTags)
	}
	var m match
	for _, tag := range tags {
		opaque, ok := opaqueTag(strings.TrimSpace(tag))
		if !ok {
			return match{}, refused(http.StatusBadRequest, "If-Match: %q is not an etag; send the @odata.etag as it was given, like W/\"7\".", clip(tag))
		}
		if version, err := strconv.ParseInt(opaque, 10, 64); err == nil && opaque == strconv.FormatInt(version, 10) {
			m.versions = append(m.versions, version)
		}
	}
	return m, nil
}

// opaqueTag is what stands between the quotes of an entity tag, weak or strong.
func opaqueTag(tag string) (string, bool) {
	tag = strings.TrimPrefix(tag, "W/")
	if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return "", false
	}
	opaque := tag[1 : len(tag)-1]
	return opaque, !strings.ContainsRune(opaque, '"')
}
