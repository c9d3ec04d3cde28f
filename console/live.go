package console

import (
	"bytes"
	"net/http"
	"time"
)

// patience is how long a browser may take to accept what it is sent.
const patience = 30 * time.Second

// letInEvery is how often it is looked whether somebody who watches a page still may.
const letInEvery = 15 * time.Second

// live keeps the part "live" of a page up to date for as long as somebody looks, as server-sent events: each is the part as it is now, and
// none is sent while nothing changes. body is asked for what there is to see.
//
// Source: HTML Living Standard, 9.2, Server-sent events.
func (v *visit) live(page string, body func() any) error {
	control := http.NewResponseController(v.w)
	_ = control.SetReadDeadline(time.Time{}) // the request is read; where there is no connection, as in tests, there is no deadline
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no")
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var shown []byte
	let := v.console.Wall()
	for {
		if wall := v.console.Wall(); wall.Sub(let) >= letInEvery {
			let = wall
			if _, err := v.console.Door.Enter(v.Request, v.secret()); err != nil {
				return nil //nolint:nilerr // whose session has ended looks no more; the browser asks again, and is told so
			}
		}
		v.Now, v.Wall = v.console.Now(), v.console.Wall()
		part, err := v.console.pages[v.Lang].part(page, "live", v, body())
		if err != nil {
			return err
		}
		event := []byte(": still here\n\n")
		if !bytes.Equal(part, shown) {
			shown, event = part, eventOf(part)
		}
		_ = control.SetWriteDeadline(v.console.Wall().Add(patience))
		if _, err := v.w.Write(event); err != nil {
			return nil //nolint:nilerr // nobody looks any more
		}
		if err := control.Flush(); err != nil {
			return nil //nolint:nilerr // the same
		}
		select {
		case <-v.Request.Context().Done():
			return nil
		case <-v.console.Door.Stopping():
			return nil
		case <-tick.C:
		}
	}
}

// eventOf writes a message, in which each line says that it is one of data.
func eventOf(data []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}
