package notify

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func setting() Setting {
	return Setting{Domain: "tenure.example.com", Log: slog.New(slog.DiscardHandler), Wall: time.Now}
}

// closing is a channel that says when it is closed.
type closing struct {
	closed *int
	err    error
}

func (closing) Send(context.Context, lifecycle.Letter) error { return nil }

func (c closing) Close() error { *c.closed++; return c.err }

// registerForTest makes a kind of channel known for the time of a test.
func registerForTest(t *testing.T, k channelKind) {
	t.Helper()
	register(k)
	t.Cleanup(func() {
		for _, scheme := range k.schemes {
			delete(channelKinds, scheme)
		}
	})
}

func TestAddressOfAnotherSchemeIsToldWhichThereAre(t *testing.T) {
	for address, shown := range map[string]string{
		"":                         "no address is given; begin it with one of ",
		"ftp://u:pa55word@host/p":  "ftp://*** is not the address of a channel; begin it with one of ",
		"https":                    "*** is not the address of a channel",
		"u:pa55word@smtp.example":  "*** is not the address of a channel",
		"//hooks.example/pa55word": "*** is not the address of a channel",
	} {
		_, err := Open(address, setting())
		require.ErrorContains(t, err, shown, address)
		require.ErrorContains(t, err, "file:, http:, https:, log:", address)
		require.NotContains(t, err.Error(), "pa55word")
		_, _, err = Reaches(address)
		require.ErrorContains(t, err, shown, address)
	}
}

func TestMaskedAddressLetsNobodyIn(t *testing.T) {
	for address, want := range map[string]string{
		"https://hooks.example.com/services/T000/pa55word?token=pa55word#secretFile=/run/pa55word": "https://hooks.example.com/***",
		"HTTPS://user:pa55word@hooks.example.com:8443/":                                            "https://hooks.example.com:8443/***",
		"https://hooks.example.com?pa55word":                                                       "https://hooks.example.com/***",
		"https://hooks.example.com":                                                                "https://hooks.example.com",
		"https://user:pa55/word@hooks.example.com":                                                 "https://***",
		"https://token/pa55word@hooks.example.com":                                                 "https://***",
		"https://user:pa55word":                                                                    "https://***",
		"https:pa55word":                                                                           "https://***",
		"http://%zz:pa55word@h":                                                                    "http://***",
		"https://":                                                                                 "https://***",
		"unknown://user:pa55word@host":                                                             "unknown://***",
		"pa55word":                                                                                 "***",
		"pa55word:x@host":                                                                          "***",
		"https//user:pa55word@host":                                                                "***",
		"":                                                                                         "***",
		"log:":                                                                                     "log:",
		"file:/var/lib/tenure/notices":                                                             "file:/var/lib/tenure/notices",
		"FILE:/var/lib/tenure/notices":                                                             "FILE:/var/lib/tenure/notices",
	} {
		require.Equal(t, want, MaskAddress(address), address)
	}
}

func TestChannelsAreOpenedByName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	channels, err := OpenChannels(map[string]string{"mail": "file:" + dir, "audit": "log:", "crm-2": "https://hooks.example.com/x#unsigned=true"}, setting())
	require.NoError(t, err)
	require.Len(t, channels, 3)
	require.IsType(t, &Files{}, channels["mail"])
	require.IsType(t, &Log{}, channels["audit"])
	require.IsType(t, &Webhook{}, channels["crm-2"])
	require.DirExists(t, dir)
	require.NoError(t, closeAll(channels))

	channels, err = OpenChannels(nil, setting())
	require.NoError(t, err)
	require.Empty(t, channels)
}

func TestAllFaultsOfAllChannelsAreToldAtOnceAndNothingStaysOpen(t *testing.T) {
	closed := 0
	registerForTest(t, channelKind{schemes: []string{"good"}, open: func(string, Setting) (Channel, error) { return closing{closed: &closed}, nil }})
	registerForTest(t, channelKind{schemes: []string{"stuck"}, open: func(string, Setting) (Channel, error) {
		return closing{&closed, errors.New("will not close")}, nil
	}})
	channels, err := OpenChannels(map[string]string{
		"good":     "good:",
		"stuck":    "stuck:",
		"Bad Name": "log:",
		"crm":      "https://user:pa55word@hooks.example.com/pa55word#timeout=1h&secretFile=/does/not/exist&colour=red",
		"mail":     "smoke://user:pa55word@signal",
	}, setting())
	require.Nil(t, channels)
	require.Equal(t, 2, closed)
	require.Equal(t, []string{
		`a channel's name has 1 to 32 of a-z, 0-9 and -, and begins with a letter, as in crm=https://…; "Bad Name" has not`,
		`channel crm: there is no option "colour"; the options are secretFile, unsigned, private, plain, ca, timeout, proxy, connections`,
		`channel crm: option timeout: "1h" is not a time from 1s to 1m0s, such as 15s`,
		`channel crm: option secretFile: open /does/not/exist: no such file or directory; see that the file exists and may be read by this user`,
		`channel mail: smoke://*** is not the address of a channel; begin it with one of ` + schemes(),
		`close channel stuck: will not close`,
	}, strings.Split(err.Error(), "\n"))
}

func TestNamesOfChannelsFitEverywhere(t *testing.T) {
	for _, name := range []string{"mail", "a", "crm-2", strings.Repeat("a", 32)} {
		require.NoError(t, CheckChannelName(name), name)
	}
	for _, name := range []string{"", "Mail", "2nd", "-a", "a_b", "a.b", "a b", "mail\n", "ä", strings.Repeat("a", 33)} {
		require.ErrorContains(t, CheckChannelName(name), "a channel's name has 1 to 32 of a-z, 0-9 and -", name)
	}
	// Somebody has left the name out, and written the address where it should stand.
	require.NotContains(t, CheckChannelName("https://user:pa55word@host").Error(), "pa55")
	require.NotContains(t, CheckChannelName(strings.Repeat("pa55word", 9)).Error(), "pa55")
}

func TestChannelSaysWhomItReaches(t *testing.T) {
	for address, want := range map[string][2]bool{
		"file:x": {true, false}, "log:": {true, true}, "https://h/": {false, true}, "HTTP://h/": {false, true},
	} {
		people, endpoints, err := Reaches(address)
		require.NoError(t, err)
		require.Equal(t, want, [2]bool{people, endpoints}, address)
	}
}

func TestEachKindOfChannelIsExplainedOnce(t *testing.T) {
	require.Contains(t, Usages(), "log: a line in the log for each notice")
	require.IsIncreasing(t, Usages())
	for scheme, kind := range channelKinds {
		require.NotEmpty(t, kind.usage, scheme)
		require.True(t, kind.people || kind.endpoints, scheme)
		require.Equal(t, strings.ToLower(scheme), scheme, "schemes are compared in lower case")
	}
	require.Panics(t, func() { register(channelKind{schemes: []string{"log"}}) })
}

func TestOptionsAreReadAsTheyAreMeant(t *testing.T) {
	rest, o := cutOptions("https://h/p?q=1#file=/run/a+b%26c&file=%23&on=true&off=false&wait=90s&many=7&&name=x=y", "file", "on", "off", "wait", "many", "name")
	require.Equal(t, "https://h/p?q=1", rest)
	require.Equal(t, []string{"/run/a+b&c", "#"}, o.list("file"))
	require.True(t, o.on("on"))
	require.False(t, o.on("off"))
	require.False(t, o.on("unset"))
	require.Equal(t, 90*time.Second, o.span("wait", 0, time.Second, time.Hour))
	require.Equal(t, 5*time.Second, o.span("unset", 5*time.Second, time.Second, time.Hour))
	require.Equal(t, 7, o.count("many", 1, 1, 7))
	require.Equal(t, 3, o.count("unset", 3, 1, 7))
	require.Equal(t, "x=y", o.text("name"))
	require.NoError(t, o.err())
}

func TestFaultsOfOptionsAreToldAtOnceAndShowNoPassword(t *testing.T) {
	_, o := cutOptions("smtp://user:pa#55word@host#colour=red&bare&p@55word=x&file=%zz&twice=a&twice=b&empty=&wait=1d&many=-1&on=yes&on=yes",
		"file", "twice", "empty", "wait", "many", "on")
	o.text("twice")
	o.text("empty")
	o.list("empty")
	o.span("wait", 5*time.Second, time.Second, time.Hour)
	o.count("many", 3, 1, 7)
	o.on("on")
	require.EqualError(t, o.err(), strings.Join([]string{
		`what stands behind # must be of the form option=value&option=value; a # that is part of the address is written %23`,
		`option file: a % that stands for itself is written %25`,
		`option twice is given 2 times; leave one`,
		`option empty is empty; give it a value or leave it out`,
		`option wait: "1d" is not a time from 1s to 1h0m0s, such as 5s`,
		`option many: "-1" is not a number from 1 to 7`,
		`option on is given 2 times; leave one`,
		`option on: write true or false`,
	}, "\n"))
}

func TestFilesNamedByOptionsAreSmallFiles(t *testing.T) {
	dir := t.TempDir()
	_, err := readSmall(dir)
	require.ErrorContains(t, err, dir+" is a folder, a pipe or a device; name a file")
	_, err = readSmall(os.DevNull)
	require.ErrorContains(t, err, "name a file")
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, bytes.Repeat([]byte("x"), 64<<10+1), 0o600))
	_, err = readSmall(large)
	require.ErrorContains(t, err, "is longer than 64 KB; that is not the right file")
}
