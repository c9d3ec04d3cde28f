package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// noticesFile is what a policy file says about notices.
type noticesFile struct {
	StaleAfter   *string           `yaml:"staleAfter"`
	TellExtended *bool             `yaml:"tellExtended"`
	Routes       *[]routeFile      `yaml:"routes"`
	Partners     map[string]string `yaml:"partners"`
	MostPerDay   *int              `yaml:"mostPerDay"`
	Digests      struct {
		At *string `yaml:"at"`
		On *string `yaml:"on"`
	} `yaml:"digests"`
	EraseAfter *string `yaml:"eraseAfter"`
}

// routeFile is a route as YAML writes it.
type routeFile struct {
	Kinds     []lifecycle.NoticeKind `yaml:"kinds"`
	Sides     []lifecycle.Side       `yaml:"sides"`
	Tenants   []string               `yaml:"tenants"`
	People    []string               `yaml:"people"`
	Endpoints []string               `yaml:"endpoints"`
}

// apply overwrites what the file says, its periods apart, and finds what cannot be read.
func (f *noticesFile) apply(p *lifecycle.NoticePolicy) (faults []error) {
	if f.TellExtended != nil {
		p.TellExtended = *f.TellExtended
	}
	if len(f.Partners) > 0 {
		p.Partners = make(map[string]string, len(f.Partners))
		for tenant, name := range f.Partners {
			p.Partners[strings.ToLower(tenant)] = name
		}
	}
	if f.MostPerDay != nil {
		p.MostPerDay = *f.MostPerDay
	}
	if at := f.Digests.At; at != nil {
		var err error
		if p.Digests.At, err = parseTimeOfDay(*at); err != nil {
			faults = append(faults, fmt.Errorf("notices.digests.at: %w", err))
		}
	}
	if on := f.Digests.On; on != nil {
		var err error
		if p.Digests.On, err = parseWeekday(*on); err != nil {
			faults = append(faults, fmt.Errorf("notices.digests.on: %w", err))
		}
	}
	if f.Routes != nil {
		p.Routes = nil
		for _, r := range *f.Routes {
			p.Routes = append(p.Routes, r.route())
		}
	}
	return faults
}

func (r *routeFile) route() lifecycle.Route {
	route := lifecycle.Route{Kinds: r.Kinds, Sides: r.Sides, People: r.People, Endpoints: r.Endpoints}
	for _, tenant := range r.Tenants {
		route.Tenants = append(route.Tenants, strings.ToLower(tenant))
	}
	return route
}

func parseTimeOfDay(s string) (time.Duration, error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day; write it like \"07:00\", in UTC", s)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func parseWeekday(s string) (time.Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), s) {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%q is no day of the week; write it like monday", s)
}

// routedChannels are the names of all channels that notices may be sent on, sorted.
func routedChannels(p *lifecycle.NoticePolicy) []string {
	if len(p.Routes) == 0 {
		return []string{lifecycle.DefaultChannel}
	}
	var names []string
	for _, r := range p.Routes {
		names = append(append(names, r.People...), r.Endpoints...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
