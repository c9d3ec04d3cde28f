package graph

import (
	"net/http"
	"strconv"
	"strings"
)

// preferences are what the Prefer headers of a request ask for. Others than these are passed over, as RFC 7240 has it.
type preferences struct {
	unknownMembers bool   // show members of enumerations that came later, rather than unknownFutureValue
	pageSize       int    // of a list; 0: no preference
	returns        string // of a write: "minimal" or "representation"; empty: no preference

	honoured []string
}

func preferred(header http.Header) preferences {
	var p preferences
	for _, line := range header.Values("Prefer") {
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "include-unknown-enum-members":
				p.unknownMembers = true
			case "odata.maxpagesize", "maxpagesize":
				if n, err := strconv.Atoi(value); err == nil && n > 0 {
					p.pageSize = n
				}
			case "return":
				if value == "minimal" || value == "representation" {
					p.returns = value
				}
			}
		}
	}
	if p.unknownMembers {
		p.honour("include-unknown-enum-members")
	}
	return p
}

func (p *preferences) honour(preference string) { p.honoured = append(p.honoured, preference) }

// minimal says whether a write is to be answered without a body.
func (p *preferences) minimal() bool {
	if p.returns != "" {
		p.honour("return=" + p.returns)
	}
	return p.returns == "minimal"
}

// applied says in the answer which preferences counted.
func (p *preferences) applied(header http.Header) {
	if len(p.honoured) > 0 {
		header.Set("Preference-Applied", strings.Join(p.honoured, ", "))
	}
}

// The member that stands for those which came after a client was made. Source: evolvable enumerations of Microsoft Graph.
const unknownFutureValue = "unknownFutureValue"

// member is a member of an enumeration that came later, as the caller may see it.
func (p *preferences) member(name string) string {
	if p.unknownMembers {
		return name
	}
	return unknownFutureValue
}
