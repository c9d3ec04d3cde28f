package notify

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// addressOptions are what stands behind the "#" of an address: key=value, joined by "&". They are tenure's own and go to nobody.
type addressOptions struct {
	values url.Values
	faults []error
}

var optionForm = regexp.MustCompile(`^[A-Za-z]{1,30}$`)

// cutOptions parts an address from its options, and finds those that are not among known.
func cutOptions(address string, known ...string) (rest string, o *addressOptions) {
	rest, written, _ := strings.Cut(address, "#")
	o = &addressOptions{values: url.Values{}}
	for pair := range strings.SplitSeq(written, "&") {
		key, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(value) // and not as in a query: "+" is a sign that paths of files have
		switch {
		case pair == "":
		case !found || !optionForm.MatchString(key):
			// A password with a "#" in it would end up here, so it is not shown.
			o.fault("what stands behind # must be of the form option=value&option=value; a # that is part of the address is written %%23")
		case !slices.Contains(known, key):
			o.fault("there is no option %q; the options are %s", key, cmp.Or(strings.Join(known, ", "), "none"))
		case err != nil:
			o.fault("option %s: a %% that stands for itself is written %%25", key)
		default:
			o.values.Add(key, value)
		}
	}
	return rest, o
}

// text is an option that may be given once.
func (o *addressOptions) text(key string) string {
	given := o.values[key]
	if len(given) > 1 {
		o.fault("option %s is given %d times; leave one", key, len(given))
	}
	if len(given) > 0 && given[0] == "" {
		o.fault("option %s is empty; give it a value or leave it out", key)
	}
	return o.values.Get(key)
}

// list is an option that may be given several times.
func (o *addressOptions) list(key string) []string {
	if slices.Contains(o.values[key], "") {
		o.fault("option %s is empty; give it a value or leave it out", key)
	}
	return o.values[key]
}

// on is an option that is true or false, which it is when it is left out.
func (o *addressOptions) on(key string) bool {
	switch o.text(key) {
	case "true":
		return true
	case "", "false":
		return false
	}
	o.fault("option %s: write true or false", key)
	return false
}

// span is an option that is a time from least to most.
func (o *addressOptions) span(key string, unset, least, most time.Duration) time.Duration {
	written := o.text(key)
	if written == "" {
		return unset
	}
	d, err := time.ParseDuration(written)
	if err != nil || d < least || d > most {
		o.fault("option %s: %q is not a time from %s to %s, such as %s", key, written, least, most, unset)
		return unset
	}
	return d
}

// count is an option that is a number from least to most.
func (o *addressOptions) count(key string, unset, least, most int) int {
	written := o.text(key)
	if written == "" {
		return unset
	}
	n, err := strconv.Atoi(written)
	if err != nil || n < least || n > most {
		o.fault("option %s: %q is not a number from %d to %d", key, written, least, most)
		return unset
	}
	return n
}

// fault keeps a fault for err; one that is known is not told twice.
func (o *addressOptions) fault(format string, args ...any) {
	f := fmt.Errorf(format, args...)
	if !slices.ContainsFunc(o.faults, func(g error) bool { return g.Error() == f.Error() }) {
		o.faults = append(o.faults, f)
	}
}

// err joins the faults found so far.
func (o *addressOptions) err() error { return errors.Join(o.faults...) }
