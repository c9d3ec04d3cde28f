package graph

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tenure-dev/tenure/graph/odata"
	"github.com/tenure-dev/tenure/lifecycle"
)

// options are the query options of a request: those that make sense where they are given, and none twice.
type options struct {
	values map[string]string // by name, lower case, with the $
	top    int               // 0: not given
	count  bool
}

const defaultPage, largestPage = 100, 300

// readOptions refuses what is unknown, and what is known and makes no sense here. An option is taken in upper or lower case, and
// without its $ as well. Source: OData 4.01, part 2, section 5.1.
func (x *exchange) readOptions() error {
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return badOption("", codeInvalid, "The query cannot be read: "+clip(err.Error())+".")
	}
	x.options.values = map[string]string{}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		option := "$" + strings.ToLower(strings.TrimPrefix(name, "$"))
		_, again := x.options.values[option]
		switch {
		case !slices.Contains(strings.Fields(x.op.options), option):
			return badOption(name, codeUnknownOption, fmt.Sprintf("%s is not supported here; %s.", clip(name), x.op.supported()))
		case again || len(query[name]) > 1:
			return badOption(name, codeDuplicate, option+" is there twice; leave one out.")
		}
		x.options.values[option] = query[name][0]
	}
	return x.readNumbers()
}

func (o *operation) supported() string {
	if o.options == "" {
		return "there are no query options"
	}
	return "supported are " + strings.ReplaceAll(o.options, " ", ", ")
}

func badOption(name, code, message string) *problem {
	p := refused(http.StatusBadRequest, "%s", message)
	if name != "" {
		p.details = []problemDetail{{code, clip(name), message}}
	}
	return p
}

func (x *exchange) readNumbers() error {
	if text, ok := x.options.values["$top"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > largestPage || text != strconv.Itoa(n) {
			return badOption("$top", codeInvalid, fmt.Sprintf("$top: %q is not a whole number from 1 to %d.", clip(text), largestPage))
		}
		x.options.top = n
	}
	if text, ok := x.options.values["$count"]; ok {
		if text != "true" && text != "false" {
			return badOption("$count", codeInvalid, fmt.Sprintf("$count: %q is neither true nor false.", clip(text)))
		}
		x.options.count = text == "true"
	}
	return nil
}

// pageSize is how many of a list go into one answer.
func (x *exchange) pageSize() int {
	size := defaultPage
	if x.options.top > 0 {
		size = x.options.top
	}
	if wished := x.prefer.pageSize; wished > 0 && (wished < size || x.options.top == 0) {
		size = min(wished, largestPage)
		x.prefer.honour("odata.maxpagesize=" + strconv.Itoa(size))
	}
	return size
}

// filter is the one that is asked for, and nil where none is.
func (x *exchange) filter() (lifecycle.Filter, error) {
	text, ok := x.options.values["$filter"]
	if !ok {
		return nil, nil
	}
	f, err := odata.ParseFilter(text, x.policy)
	if err != nil {
		return nil, badOption("$filter", codeInvalid, sentence("$filter: "+err.Error()))
	}
	return f, nil
}

func (x *exchange) order() ([]lifecycle.Order, error) {
	text, ok := x.options.values["$orderby"]
	if !ok {
		return nil, nil
	}
	order, err := odata.ParseOrderBy(text)
	if err != nil {
		return nil, badOption("$orderby", codeInvalid, sentence("$orderby: "+err.Error()))
	}
	return order, nil
}

// listing is the list that a skip token of this request belongs to.
func (x *exchange) listing(order []lifecycle.Order) odata.Listing {
	path := strings.ToLower(x.r.URL.Path)
	return odata.Listing{Filter: x.options.values["$filter"], Order: order, Scope: path + " " + x.by.Tenant + " " + string(x.by.Role)}
}

// after is the place in the list where the page before ended; nil for the first page.
func (x *exchange) after(order []lifecycle.Order) (*lifecycle.Cursor, error) {
	token, ok := x.options.values["$skiptoken"]
	if !ok {
		return nil, nil
	}
	cursor, err := odata.DecodeToken(x.listing(order), token)
	if err != nil {
		return nil, badOption("$skiptoken", codeInvalid, sentence("$skiptoken "+err.Error()))
	}
	return cursor, nil
}

// nextLink is the address of the page after the one that ends at last.
func (x *exchange) nextLink(order []lifecycle.Order, last *lifecycle.Cursor) string {
	x.options.values["$skiptoken"] = odata.EncodeToken(x.listing(order), last)
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(x.base(), "/v1.0") + x.r.URL.EscapedPath())
	separator := "?"
	for _, name := range strings.Fields(x.op.options) {
		if value, ok := x.options.values[name]; ok {
			b.WriteString(separator + name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
			separator = "&"
		}
	}
	return b.String()
}
