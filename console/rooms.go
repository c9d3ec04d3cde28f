package console

import "strings"

// A room is a page in the menu.
type room struct {
	Path, Name string
	Here       bool
}

// rooms are the pages of the menu, in its order, by the keys of their names.
var rooms = []struct{ path, key string }{
	{"/", "room.today"},
	{aheadPath, "room.ahead"},
	{relationshipsPath, "room.relationships"},
	{"/console/sweeps", "room.sweeps"},
	{noticesPath, "room.notices"},
	{contactsPath, "room.contacts"},
	{activityPath, "room.activity"},
	{analyticsPath, "room.analytics"},
	{"/console/queue", "room.queue"},
}

// beside are pages whose addresses are not below that of the room they belong to.
var beside = map[string]string{rulesPath: sweepsPath, holdsPath: relationshipsPath, partnersPath: relationshipsPath, provisioningPath: relationshipsPath,
	channelsPath: noticesPath, subscriptionsPath: noticesPath}

// isBelow says whether a path is another one, or below it.
func isBelow(path, other string) bool { return path == other || strings.HasPrefix(path, other+"/") }

// Rooms are the pages of the menu.
func (v *visit) Rooms() []room {
	shown := make([]room, len(rooms))
	path := v.Request.URL.Path
	for i, r := range rooms {
		shown[i] = room{r.path, v.T(r.key), path == r.path || r.path != "/" && isBelow(path, r.path)}
		for other, home := range beside {
			shown[i].Here = shown[i].Here || home == r.path && isBelow(path, other)
		}
	}
	return shown
}

// Languages are those that the console speaks.
func (v *visit) Languages() []language { return languages }

// Back is the page to come back to when a language or theme is chosen. Where people sign in there is only one.
func (v *visit) Back() string {
	if strings.HasPrefix(v.Request.URL.Path, signInPath) {
		return signInPath
	}
	return v.Request.URL.RequestURI()
}
