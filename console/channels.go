package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

const channelsPath = "/console/channels"

func (c *Console) addChannels() {
	c.get(channelsPath, func(v *visit) error {
		var page channels
		if err := v.ask("GET", "/v1/channels", nil, &page); err != nil {
			return err
		}
		return v.show("channels", &page)
	})
	for _, to := range []string{"on", "off"} {
		path := channelsPath + "/{name}/" + to
		c.form(path, lifecycle.Manage, func(v *visit) error { return v.confirm(v.switching(to)) })
		c.post(path, lifecycle.Manage, func(v *visit) error { return switchChannel(v, to) })
	}
}

// channels are what the page shows.
type channels struct {
	Channels []channel `json:"channels"`
}

// A channel is how it fares, and what waits for it.
type channel struct {
	Name      string    `json:"name"`
	State     string    `json:"state"`
	Failures  int       `json:"failures"`
	Ready     time.Time `json:"readyDateTime"`
	LastError string    `json:"lastError"`
	Changed   time.Time `json:"changedDateTime"`
	Queued    int64     `json:"queued"`
	Failed    int64     `json:"failed"`
	Waiting   int64     `json:"waiting"`
	Dead      int64     `json:"dead"`
	Unknown   int64     `json:"unknown"`
}

// Path is where it is switched.
func (c *channel) Path() string { return channelsPath + "/" + url.PathEscape(c.Name) }

// switching asks whether a channel is to be switched on or off.
func (v *visit) switching(to string) confirmation {
	name := v.Request.PathValue("name")
	return confirmation{Title: v.T("channels."+to, "name", name), Text: v.T("channels.text." + to), Path: channelsPath + "/" + url.PathEscape(name) + "/" + to,
		Back: channelsPath, Reason: true, Button: v.T("channels.button." + to), Danger: to == "off"}
}

func switchChannel(v *visit, to string) error {
	reason, err := v.reason()
	if err == nil {
		err = v.ask(http.MethodPost, "/v1/channels/"+url.PathEscape(v.Request.PathValue("name"))+"/"+to, map[string]string{"reason": reason}, nil)
	}
	if err != nil {
		return v.confirmAgain(v.switching(to), err)
	}
	return v.done(channelsPath, v.T("channels.done."+to, "name", v.Request.PathValue("name")))
}
