package notify

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A zone is where a reader's clock stands. The zero zone is UTC, and stands for those of whom nothing is known.
type zone struct {
	location *time.Location // nil for UTC
}

// zones remembers those that were asked for: reading one from the disk takes longer than writing a mail.
type zones struct {
	known sync.Map // of *time.Location by name
}

// find is the zone of that name in the IANA database. Of what is not there nothing is known.
func (z *zones) find(name string) zone {
	if name == "" || name == "Local" { // of this machine, which has nothing to do with the reader
		return zone{}
	}
	if known, ok := z.known.Load(name); ok {
		return zone{known.(*time.Location)}
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return zone{} // not remembered: there is no end to the names that are none
	}
	switch strings.TrimPrefix(location.String(), "Etc/") {
	case "UTC", "UCT", "GMT", "GMT0", "GMT+0", "GMT-0", "Greenwich", "Universal", "Zulu":
		location = nil
	}
	z.known.Store(name, location)
	return zone{location}
}

// city is how people name the zone: "Tokyo" for Asia/Tokyo. Those that are an offset only are named by it at t, since their names
// have the sign the other way round.
func (z zone) city(t time.Time) string {
	name := z.location.String()
	if strings.HasPrefix(name, "Etc/") {
		return "UTC" + t.Format("-07:00")
	}
	return strings.ReplaceAll(name[strings.LastIndex(name, "/")+1:], "_", " ")
}

// in is t as the reader's calendar and clock show it.
func (z zone) in(t time.Time) time.Time {
	if z.location == nil {
		return t.UTC()
	}
	return t.In(z.location)
}

// daysUntil counts the pages of the reader's calendar from one instant to another, so that "tomorrow" means what it means to
// them, also in a night of 23 or 25 hours.
func (z zone) daysUntil(from, to time.Time) int {
	page := func(t time.Time) time.Time {
		year, month, day := z.in(t).Date()
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	return int(page(to).Sub(page(from)) / (24 * time.Hour))
}

// A calendar is how dates are written in a language: layouts of package time, and names for what package time knows in English
// only.
type calendar struct {
	day      string   // 2 January 2006
	instant  string   // Monday 2 January 2006, 15:04 UTC
	midnight string   // the same where it is 00:00, of which people ask which night is meant
	local    string   // Monday 2 January 2006, 15:04: by the reader's clock
	sameDay  string   // 15:04 UTC: beside local
	otherDay string   // Monday 2 January, 15:04 UTC: the same, where it is another day there
	months   []string // as package time counts them, from January; none: the English ones
	weekdays []string // from Sunday
}

// readCalendar takes the calendar from the phrases of a language.
func (w *wording) readCalendar() []error {
	var faults []error
	take := func(phrase string) string {
		said, err := w.say(phrase, nil)
		if err != nil {
			faults = append(faults, err)
		}
		return said
	}
	names := func(phrase string, count int) []string {
		if w.phrases.Lookup(phrase) == nil {
			return nil
		}
		names := strings.Fields(take(phrase))
		if len(names) != count {
			faults = append(faults, fmt.Errorf("%s: the phrase %q lists %d names, separated by spaces, where there are %d", w.place(phrase), phrase, len(names), count))
			return nil
		}
		return names
	}
	w.calendar = calendar{day: take("day"), instant: take("instant"), midnight: take("instant.midnight"), local: take("local"), sameDay: take("utc"), otherDay: take("utc.other.day"),
		months: names("months", 12), weekdays: names("weekdays", 7)}
	return faults
}

// write writes t out by a layout, to the second where it is not a whole minute.
func (c *calendar) write(t time.Time, layout string) string {
	if t.Second() != 0 {
		layout = strings.Replace(layout, "15:04", "15:04:05", 1)
	}
	s := t.Format(layout)
	if c.months != nil {
		s = strings.Replace(s, t.Month().String(), c.months[t.Month()-1], 1)
	}
	if c.weekdays != nil {
		s = strings.Replace(s, t.Weekday().String(), c.weekdays[t.Weekday()], 1)
	}
	return s
}

// A moment is what the phrases "zone" and "both" may speak of.
type moment struct {
	City       string // of the reader's zone
	Midnight   bool   // by the reader's clock
	Local, UTC string // the instant by either clock
	Zone       string // as the phrase "zone" has it
}

// at writes an instant out: by the reader's clock, where that is known, and always in UTC.
func (w *wording) at(t time.Time, z zone) (string, error) {
	local, utc := z.in(t), t.UTC()
	switch {
	case z.location == nil && isMidnight(utc):
		return w.calendar.write(utc, w.calendar.midnight), nil
	case z.location == nil:
		return w.calendar.write(utc, w.calendar.instant), nil
	}
	m := &moment{City: z.city(local), Midnight: isMidnight(local), Local: w.calendar.write(local, w.calendar.local)}
	if local.Day() == utc.Day() { // never a whole month apart
		m.UTC = w.calendar.write(utc, w.calendar.sameDay)
	} else {
		m.UTC = w.calendar.write(utc, w.calendar.otherDay)
	}
	var err error
	if m.Zone, err = w.nameZone(z, m); err != nil {
		return "", err
	}
	return w.say("both", m)
}

func isMidnight(t time.Time) bool { return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 }

// nameZone is what the reader calls the time of their clock. One that is an offset only has no other name.
func (w *wording) nameZone(z zone, m *moment) (string, error) {
	name := z.location.String()
	switch {
	case w.phrases.Lookup("zone "+name) != nil:
		return w.say("zone "+name, m)
	case strings.HasPrefix(name, "Etc/"):
		return m.City, nil
	}
	return w.say("zone", m)
}
