package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A ChannelStore knows how the channels fare. It may be called from many goroutines.
type ChannelStore interface {
	// Channels lists how the channels fare that something was sent on, or that were switched off.
	Channels(ctx context.Context) ([]lifecycle.ChannelReport, error)

	// SwitchChannel switches a channel on or off, and keeps why.
	SwitchChannel(ctx context.Context, name string, on bool, note string, now time.Time) error
}

// A Channel is how a channel fares, and what waits for it, as it is shown.
type Channel struct {
	Name            string  `json:"name" example:"mail"`
	State           string  `json:"state" enum:"on,failing,off" doc:"failing: the last attempts failed, and at readyDateTime a single notice is tried; off: until somebody switches it on"`
	Failures        int     `json:"failures" doc:"In a row"`
	ReadyDateTime   *string `json:"readyDateTime" format:"date-time" doc:"Nothing is sent before, by the machine's clock; null: at once"`
	LastError       *string `json:"lastError" doc:"Or why it was switched off"`
	ChangedDateTime *string `json:"changedDateTime" format:"date-time"`
	Queued          int64   `json:"queued"`
	Failed          int64   `json:"failed" doc:"An attempt failed, another will follow"`
	Waiting         int64   `json:"waiting" doc:"For the recipient's next digest"`
	Dead            int64   `json:"dead" doc:"Given up"`
	Unknown         int64   `json:"unknown" doc:"Notices with an attempt of which nobody knows how it ended"`
}

// A ChannelList is the channels, by name.
type ChannelList struct {
	Channels []Channel `json:"channels" nullable:"false"`
}

// A ChannelSwitch is the body of a request to switch a channel on or off.
type ChannelSwitch struct {
	Reason string   `json:"reason" minLength:"1" maxLength:"500" doc:"Why"`
	_      struct{} `additionalProperties:"false"`
}

const (
	channelOn      = "on"
	channelFailing = "failing"
	channelOff     = "off"

	channelsPath = "/v1/channels"
	channelTag   = "Channels"
)

// ShowChannel brings a channel into the form in which it is shown, here and on the command line.
func ShowChannel(c *lifecycle.ChannelReport) Channel {
	shown := Channel{Name: c.Name, State: channelOn, Failures: c.Failures, ReadyDateTime: instantOrNull(c.ReadyAt),
		LastError: textOrNull(c.LastError), ChangedDateTime: instantOrNull(c.ChangedAt),
		Queued: c.Statuses[lifecycle.NoticeQueued], Failed: c.Statuses[lifecycle.NoticeFailed],
		Waiting: c.Statuses[lifecycle.NoticeWaiting], Dead: c.Statuses[lifecycle.NoticeDead], Unknown: c.Unknown}
	switch {
	case c.Off:
		shown.State = channelOff
	case c.Failures > 0:
		shown.State = channelFailing
	}
	return shown
}

func (s *Server) addChannels() {
	register(s, ScopeRead, huma.Operation{
		OperationID: "listChannels", Method: http.MethodGet, Path: channelsPath, Tags: []string{channelTag},
		Summary: "List the channels: how each fares, and what waits for it",
	}, s.listChannels)
	for _, o := range []struct {
		state, id, summary, description string
	}{
		{channelOn, "switchChannelOn", "Switch a channel on", "Also ends the wait of a channel that is failing: the next notice is tried at once."},
		{channelOff, "switchChannelOff", "Switch a channel off", "What is to be sent on it waits until somebody switches it on again."},
	} {
		path := channelsPath + "/{name}/" + o.state
		register(s, ScopeManage, huma.Operation{
			OperationID: o.id, Method: http.MethodPost, Path: path, Tags: []string{channelTag},
			Summary: o.summary, Description: o.description,
			Responses: s.answers(append(bodyProblems, unknownChannel)...),
		}, func(ctx context.Context, in *switchChannelInput) (*switchChannelOutput, error) {
			return s.switchChannel(ctx, in, o.state == channelOn)
		})
		s.describeBody(s.api.OpenAPI().Paths[path].Post, schemaOf[ChannelSwitch](s), true)
	}
}

type listChannelsInput struct{ Asked }

type listChannelsOutput struct{ Body ChannelList }

func (s *Server) listChannels(ctx context.Context, in *listChannelsInput) (*listChannelsOutput, error) {
	channels, err := s.readChannels(ctx)
	if err != nil {
		return nil, err
	}
	out := &listChannelsOutput{ChannelList{[]Channel{}}}
	for i := range channels {
		shown := ShowChannel(&channels[i])
		shown.LastError = maskedBy(shown.LastError, in.maskText)
		out.Body.Channels = append(out.Body.Channels, shown)
	}
	return out, nil
}

// readChannels reads how the channels fare, those of the deployment that nothing was ever sent on included.
func (s *Server) readChannels(ctx context.Context) ([]lifecycle.ChannelReport, error) {
	channels, err := s.store.Channels(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading how the channels fare: %w", err)
	}
	for _, name := range s.channels {
		if !slices.ContainsFunc(channels, func(c lifecycle.ChannelReport) bool { return c.Name == name }) {
			channels = append(channels, lifecycle.ChannelReport{ChannelState: lifecycle.ChannelState{Name: name}})
		}
	}
	slices.SortFunc(channels, func(a, b lifecycle.ChannelReport) int { return strings.Compare(a.Name, b.Name) })
	return channels, nil
}

type switchChannelInput struct {
	Asked
	Name string `path:"name" example:"mail" doc:"The channel's name"`
}

type switchChannelOutput struct{ Body Channel }

func (s *Server) switchChannel(ctx context.Context, in *switchChannelInput, on bool) (*switchChannelOutput, error) {
	body, p := s.readBody(in.request)
	if p != nil {
		return nil, p
	}
	reason, p := readReason(body)
	if p != nil {
		return nil, p
	}
	if _, err := s.findChannel(ctx, in.Name); err != nil {
		return nil, err
	}
	if err := s.store.SwitchChannel(ctx, in.Name, on, reason+" ("+in.by()+")", s.now()); err != nil {
		return nil, fmt.Errorf("switching channel %s: %w", in.Name, err)
	}
	found, err := s.findChannel(ctx, in.Name)
	return &switchChannelOutput{found}, err
}

// findChannel reads how one channel fares. One that is unknown cannot be switched: a name that is mistyped stops nothing.
func (s *Server) findChannel(ctx context.Context, name string) (Channel, error) {
	channels, err := s.readChannels(ctx)
	if err != nil {
		return Channel{}, err
	}
	for i := range channels {
		if channels[i].Name == name {
			return ShowChannel(&channels[i]), nil
		}
	}
	return Channel{}, unknownChannel.problem("There is no channel %s; GET %s lists those that there are.", shorten(name), channelsPath)
}

// readReason reads why a channel is to be switched.
func readReason(body json.RawMessage) (reason string, p *Problem) {
	const instead = `write {"reason":"the server is moving"}`
	var bad badValues
	said := false
	if body != nil {
		bad.object("body", body, instead, member{"reason", bad.text(func(s string) error {
			reason, said = strings.TrimSpace(s), true
			return badReason(s)
		})})
	}
	if !said && len(bad.bad) == 0 {
		bad.refuse(badValue, "body.reason", nil, "is missing; "+instead)
	}
	return reason, bad.problem()
}
