package notify

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tenure-dev/tenure/lifecycle"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func secretFile(t testing.TB, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return file
}

// noLeaks holds that a test leaves no goroutine and no connection behind.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// openHook opens a webhook; options are added to those of the address.
func openHook(t testing.TB, address string, change ...func(s *Setting)) *Webhook {
	t.Helper()
	s := setting()
	for _, c := range change {
		c(&s)
	}
	c, err := Open(address, s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.(*Webhook).Close()) })
	return c.(*Webhook)
}

// hookTo starts a receiver on this machine and opens a webhook to it.
func hookTo(t *testing.T, receive http.HandlerFunc, options ...string) *Webhook {
	t.Helper()
	noLeaks(t)
	server := httptest.NewServer(receive)
	t.Cleanup(server.Close)
	options = append(options, "private=true", "secretFile="+secretFile(t, oldSecret))
	return openHook(t, server.URL+"/services/T000/pa55word?key=pa55word#"+strings.Join(options, "&"))
}

func hookLetter(t testing.TB, w *Webhook, change ...func(l *lifecycle.Letter)) lifecycle.Letter {
	t.Helper()
	l := letter(lifecycle.KindWarnExpiry, func(l *lifecycle.Letter) {
		l.Channel, l.Endpoint, l.Recipient = "crm", true, lifecycle.Contact{TenantID: l.Recipient.TenantID, Role: l.Recipient.Role}
	})
	for _, c := range change {
		c(&l)
	}
	var err error
	l.MessageID, l.Message, err = w.Compose(l)
	require.NoError(t, err)
	return l
}

func answer(code int, headers ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			rw.Header().Set(headers[i], headers[i+1])
		}
		rw.WriteHeader(code)
	}
}

func TestWebhookIsPostedAsStandardWebhooksSays(t *testing.T) {
	type received struct {
		header http.Header
		body   []byte
		uri    string
	}
	got := make(chan received, 1)
	w := hookTo(t, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		got <- received{r.Header, body, r.URL.RequestURI()}
		rw.WriteHeader(http.StatusNoContent)
	})
	l := hookLetter(t, w)
	require.NoError(t, w.Send(t.Context(), l))

	r := <-got
	require.Equal(t, "/services/T000/pa55word?key=pa55word", r.uri, "without the options")
	require.Equal(t, string(l.Message), string(r.body))
	require.Equal(t, "application/json", r.header.Get("Content-Type"))
	require.Equal(t, "tenure", r.header.Get("User-Agent"))
	require.Equal(t, l.MessageID, r.header.Get("webhook-id"))
	require.NotContains(t, l.MessageID, ".", "a full stop would part the id from the rest of what is signed")
	receiver, err := standardwebhooks.NewWebhook(oldSecret)
	require.NoError(t, err)
	require.NoError(t, receiver.Verify(r.body, r.header), "by the specification's own library, with the time of the attempt")
	r.body[0] = ' '
	require.Error(t, receiver.Verify(r.body, r.header))
}

// Source of the vector: the specification's reference libraries.
func TestSignatureIsThatOfThePublishedExample(t *testing.T) {
	secret, err := parseSecret(oldSecret)
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)))
}

func TestSecondAttemptIsTheSameMessageAtAnotherTime(t *testing.T) {
	var headers []http.Header
	w := hookTo(t, func(_ http.ResponseWriter, r *http.Request) { headers = append(headers, r.Header) })
	at := time.Unix(1_800_000_000, 0)
	w.setting.Wall = func() time.Time { at = at.Add(time.Hour); return at }
	l := hookLetter(t, w)
	require.NoError(t, w.Send(t.Context(), l))
	require.NoError(t, w.Send(t.Context(), l))
	require.Equal(t, headers[0].Get("webhook-id"), headers[1].Get("webhook-id"))
	require.Equal(t, "1800003600", headers[0].Get("webhook-timestamp"))
	require.Equal(t, "1800007200", headers[1].Get("webhook-timestamp"))
	require.NotEqual(t, headers[0].Get("webhook-signature"), headers[1].Get("webhook-signature"))
}

func TestUnsignedWebhookHasNoSignature(t *testing.T) {
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { header = r.Header }))
	t.Cleanup(server.Close)
	w := openHook(t, server.URL+"#unsigned=true&private=true", func(s *Setting) { s.Version = "1.2" })
	require.NoError(t, w.Send(t.Context(), hookLetter(t, w)))
	require.NotEmpty(t, header.Get("webhook-id"))
	require.Empty(t, header.Values("webhook-signature"))
	require.Equal(t, "tenure/1.2", header.Get("User-Agent"))
}

func TestCredentialsOfTheAddressAreSent(t *testing.T) {
	var user, password string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { user, password, _ = r.BasicAuth() }))
	t.Cleanup(server.Close)
	w := openHook(t, strings.Replace(server.URL, "://", "://us%40er:pa55%23word@", 1)+"#unsigned=true&private=true")
	require.NoError(t, w.Send(t.Context(), hookLetter(t, w)))
	require.Equal(t, []string{"us@er", "pa55#word"}, []string{user, password})
}

// A secret is replaced while notices go out: the new one is added, and later the old one taken away.
func TestSecretIsReplacedWithoutARestart(t *testing.T) {
	var log bytes.Buffer
	now := end
	file := secretFile(t, oldSecret)
	w := openHook(t, "https://hooks.example.com/#secretFile="+file, func(s *Setting) {
		s.Wall = func() time.Time { return now }
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	signedWith := func(secrets ...string) {
		t.Helper()
		signatures := strings.Split(w.keys.sign("msg", now, []byte("{}")), " ")
		require.Len(t, signatures, len(secrets))
		for _, secret := range secrets {
			receiver, err := standardwebhooks.NewWebhook(secret)
			require.NoError(t, err)
			header := http.Header{}
			header.Set("webhook-id", "msg")
			header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
			header.Set("webhook-signature", strings.Join(signatures, " "))
			require.NoError(t, receiver.VerifyIgnoringTimestamp([]byte("{}"), header))
		}
	}
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }

	signedWith(oldSecret)
	write(newSecret + "\n" + oldSecret)
	now = now.Add(keptFor - time.Nanosecond)
	signedWith(oldSecret)
	now = now.Add(time.Nanosecond)
	signedWith(newSecret, oldSecret)
	write("somebody is editing this")
	for range 3 {
		now = now.Add(keptFor)
		signedWith(newSecret, oldSecret)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), "secrets cannot be read, those read before stay in use")
	require.NotContains(t, log.String(), "somebody")
	write("\n\n" + newSecret + "\r\n")
	now = now.Add(keptFor)
	signedWith(newSecret)
	write(oldSecret)
	now = now.Add(-time.Hour) // the machine's clock was set back
	signedWith(oldSecret)
}

func TestSecretsMayStandInSeveralFiles(t *testing.T) {
	w := openHook(t, fmt.Sprintf("https://hooks.example.com/#secretFile=%s&secretFile=%s", secretFile(t, newSecret), secretFile(t, oldSecret)))
	require.Len(t, strings.Split(w.keys.sign("msg", end, nil), " "), 2)
}

func TestBadSecretsAreRefusedAndNotShown(t *testing.T) {
	many := make([]string, 9)
	for i := range many {
		many[i] = oldSecret
	}
	for want, lines := range map[string][]string{
		"is empty; put a secret into it":                     {"", " "},
		":2: is not a secret: whsec_ and base64":             {oldSecret, "pa55word pa55word pa55word"},
		":1: is a secret of 23 bytes; it must have 24 to 64": {base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 23))},
		":1: is a secret of 65 bytes":                        {"whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 65))},
		":1: is a key for asymmetric signatures":             {"whsk_" + oldSecret},
		"there are 9 secrets, and 8 is the most":             many,
	} {
		file := secretFile(t, lines...)
		_, err := Open("https://hooks.example.com/#secretFile="+file, setting())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "option secretFile: ")
		for _, line := range lines {
			if strings.TrimSpace(line) != "" {
				require.NotContains(t, err.Error(), line)
			}
		}
	}
	raw := strings.TrimPrefix(oldSecret, "whsec_")
	secret, err := parseSecret(raw)
	require.NoError(t, err)
	require.Len(t, secret, 24)
}

func TestAnswerDecidesWhatHappensToTheNotice(t *testing.T) {
	for code, want := range map[int]error{
		200: nil, 201: nil, 202: nil, 204: nil, 299: nil,
		410: lifecycle.ErrSwitchedOff,
		429: lifecycle.ErrUnavailable, 502: lifecycle.ErrUnknown, 503: lifecycle.ErrUnavailable, 504: lifecycle.ErrUnknown,
	} {
		w := hookTo(t, answer(code))
		err := w.Send(t.Context(), hookLetter(t, w))
		require.ErrorIs(t, err, want, code)
		if want != nil {
			require.ErrorContains(t, err, fmt.Sprintf("post notice 1042-7-1 to %s: it answered %d %s: ", w.to.Host, code, http.StatusText(code)))
		}
	}
	for _, code := range []int{300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 422, 425, 451, 500, 501, 505, 599, 999} {
		w := hookTo(t, answer(code))
		requirePlain(t, w.Send(t.Context(), hookLetter(t, w)))
	}
}

// requirePlain holds that an error is about one letter, and passes.
func requirePlain(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, not := range []error{lifecycle.ErrPermanent, lifecycle.ErrUnavailable, lifecycle.ErrSwitchedOff, lifecycle.ErrUnknown} {
		require.NotErrorIs(t, err, not)
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	for _, code := range []int{429, 503, 500} {
		for header, want := range map[string]time.Duration{
			"120":                           2 * time.Minute,
			"Sun, 31 Jan 2027 09:05:00 GMT": 5 * time.Minute,
			"86401":                         longestWait,
			"0":                             0,
			"soon":                          0,
		} {
			w := hookTo(t, answer(code, "Retry-After", header))
			w.setting.Wall = func() time.Time { return end }
			err := w.Send(t.Context(), hookLetter(t, w))
			var later *lifecycle.Later
			require.Equal(t, want > 0, errors.As(err, &later), header)
			if later != nil {
				require.Equal(t, want, later.Wait, header)
			}
			require.Equal(t, code != 500, errors.Is(err, lifecycle.ErrUnavailable))
			require.ErrorContains(t, err, fmt.Sprintf("it answered %d", code))
		}
	}
}

func TestWaitsAreReadFromAnyHeader(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "1": time.Second, " 7 ": 7 * time.Second, "-5": 0, "1.5": 0, "+3": 0, "86399": 86399 * time.Second,
		"86400": longestWait, "18446744073709551616": longestWait, "99999999999999999999999": longestWait,
		"Sun, 31 Jan 2027 09:00:01 GMT":    time.Second,
		"Sunday, 31-Jan-27 09:00:01 GMT":   time.Second,
		"Sun Jan 31 09:00:01 2027":         time.Second,
		"Sun, 31 Jan 2027 08:00:00 GMT":    0,
		"Fri, 31 Dec 9999 23:59:59 GMT":    longestWait,
		"Sun, 31 Jan 2027 10:00:01 +01:00": 0,
	} {
		require.Equal(t, want, retryAfter(header, end), header)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"120", "Sun, 31 Jan 2027 09:05:00 GMT", "-1", "", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		wait := retryAfter(header, end)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, longestWait)
	})
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var others atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { others.Add(1) }))
	t.Cleanup(other.Close)
	w := hookTo(t, answer(http.StatusPermanentRedirect, "Location", other.URL+"/pa55word?pa55word"))
	err := w.Send(t.Context(), hookLetter(t, w))
	requirePlain(t, err)
	require.ErrorContains(t, err, "it answered 308 Permanent Redirect to 127.0.0.1, and redirects are not followed; give the channel the address where the receiver is now")
	require.NotContains(t, err.Error(), "pa55word")
	require.Zero(t, others.Load())
}

func TestWhatTheReceiverSaysIsShownWithoutHarmAndWithoutTheAddress(t *testing.T) {
	w := hookTo(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusNotFound)
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(rw, "Cannot\r\n POST %s \x1b[31m\u202e%s %s \xff", r.URL.RequestURI(), user, password)
		fmt.Fprintf(rw, ` {"path":"%s"} <b>`, strings.ReplaceAll(r.URL.Path, "/", `\/`))
		fmt.Fprint(rw, strings.Repeat("x", 1000))
	})
	err := w.Send(t.Context(), hookLetter(t, w))
	requirePlain(t, err)
	require.ErrorContains(t, err, `it answered 404 Not Found, saying "Cannot POST *** [31m`)
	require.ErrorContains(t, err, `{\"path\":\"***\"} <b>xxx`)
	require.ErrorContains(t, err, `x…"`)
	require.Less(t, len(err.Error()), 400)
	for _, hidden := range []string{"pa55word", "T000", "services", "\x1b", "\u202e", "\r", "\n", "\xff"} {
		require.NotContains(t, err.Error(), hidden)
	}
}

func TestErrorsNeverShowTheAddress(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := nobody.Addr().String()
	require.NoError(t, nobody.Close())
	for name, hook := range map[string]string{
		"refused":       "https://us3rname:pa55word@" + address + "/services/T0KEN?k=s3cret#private=true&unsigned=true",
		"no such host":  "https://us3rname:pa55word@nowhere.invalid/services/T0KEN?k=s3cret#unsigned=true",
		"no good names": "https://us3rname:pa55word@" + strings.Repeat("a", 70) + ".invalid/T0KEN?k=s3cret#unsigned=true",
	} {
		w := openHook(t, hook)
		err := w.Send(t.Context(), hookLetter(t, w))
		require.ErrorIs(t, err, lifecycle.ErrUnavailable, name)
		for _, shown := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s", w, w, w, w)} {
			for _, hidden := range []string{"us3rname", "pa55word", "T0KEN", "s3cret", "services"} {
				require.NotContains(t, shown, hidden, name)
			}
		}
		var about *url.Error
		require.NotErrorAs(t, err, &about, "it holds the address, and whoever prints it prints that")
	}
}

func TestAddressesAreCheckedAllAtOnceWithoutShowingThem(t *testing.T) {
	file := secretFile(t, oldSecret)
	for options, want := range map[string]string{
		"https://hooks.example.com/pa55word":                                                "option secretFile is missing; put a secret that the receiver knows into a file",
		"https://hooks.example.com/pa55word#unsigned=true&secretFile=" + file:               "options secretFile and unsigned contradict each other; leave one out",
		"https://hooks.example.com/pa55word#secretFile=":                                    "option secretFile is empty",
		"https://hooks.example.com/pa55word#unsigned=true&ca=/does/not/exist":               "option ca: open /does/not/exist: no such file",
		"https://hooks.example.com/pa55word#unsigned=true&ca=" + file:                       "option ca: there is no certificate in " + file,
		"https://hooks.example.com/pa55word#unsigned=true&proxy=http://p":                   "option proxy: write env",
		"https://hooks.example.com/pa55word#unsigned=true&timeout=0.5s":                     "option timeout: \"0.5s\" is not a time from 1s to 1m0s",
		"https://hooks.example.com/pa55word#unsigned=true&connections=65":                   "option connections: \"65\" is not a number from 1 to 64",
		"http://hooks.example.com/pa55word#unsigned=true":                                   "http:// sends notices unencrypted; write https://",
		"http://10.0.0.1/pa55word#unsigned=true&private=true":                               "http:// sends notices unencrypted; write https://",
		"https:hooks.example.com/pa55word#unsigned=true":                                    "it is not a URL such as https://hooks.example.com/path",
		"https:///pa55word#unsigned=true":                                                   "it is not a URL such as",
		"https://hooks.example.com:pa55word/#unsigned=true":                                 "it is not a URL such as",
		"https://user:pa55/word@hooks.example.com/%zz#unsigned=true":                        "it is not a URL such as",
		"https://hooks.example.com:65536/pa55word#unsigned=true":                            "its port is not a number from 1 to 65535",
		"https://hooks.example.com/" + strings.Repeat("pa55word", 250) + "#unsigned=true":   "the address is longer than 2000 characters",
		"https://localhost/pa55word#unsigned=true":                                          "::1 is a private address, and those are refused; if it is meant, add the option private=true",
		"https://a.localhost./pa55word#unsigned=true":                                       "::1 is a private address",
		"https://192.168.1.1/pa55word#unsigned=true":                                        "192.168.1.1 is a private address",
		"https://[::ffff:10.0.0.1]/pa55word#unsigned=true":                                  "10.0.0.1 is a private address",
		"https://169.254.169.254/pa55word#unsigned=true&private=true":                       "169.254.169.254 is no address that anybody can be told at",
		"https://10.0.0.1/pa55word#colour=red&timeout=1y&private=maybe&secretFile=/missing": "option private: write true or false",
	} {
		_, err := Open(options, setting())
		require.ErrorContains(t, err, want, options)
		require.NotContains(t, err.Error(), "pa55")
	}
	_, err := Open("https://10.0.0.1/#colour=red&timeout=1y&secretFile=/missing&secretFile=/gone", setting())
	require.Len(t, strings.Split(err.Error(), "\n"), 5, err)
	_, err = Open("https://hooks.example.com/#unsigned=true", Setting{})
	require.ErrorContains(t, err, "the program gives it no clock")
	for _, good := range []string{"http://localhost:1/#private=true&unsigned=true", "http://[::1]/#private=true&unsigned=true",
		"http://127.1.2.3/#private=true&unsigned=true", "http://hooks.example.com/#plain=true&unsigned=true", "https://例え.example/#unsigned=true"} {
		openHook(t, good)
	}
}

func TestReceiverThatHangsLeavesTheOutcomeUnknown(t *testing.T) {
	w := hookTo(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, "timeout=1s")
	err := w.Send(t.Context(), hookLetter(t, w))
	require.ErrorIs(t, err, lifecycle.ErrUnknown)
	require.NotErrorIs(t, err, lifecycle.ErrUnavailable)
	require.ErrorContains(t, err, "no answer: nothing was heard within 1s")
}

func TestEndOfTheContextEndsTheWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := hookTo(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}, "timeout=60s")
	err := w.Send(ctx, hookLetter(t, w))
	require.ErrorIs(t, err, lifecycle.ErrUnknown, "it may have been read")

	err = w.Send(ctx, hookLetter(t, w))
	require.ErrorIs(t, err, context.Canceled)
	requirePlain(t, err)
}

// rawReceiver answers each connection, once a request was read from it, with what talk writes.
func rawReceiver(t *testing.T, talk func(net.Conn), options ...string) *Webhook {
	t.Helper()
	noLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err == nil {
					_, _ = io.Copy(io.Discard, req.Body)
					talk(conn)
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); conns.Wait() })
	options = append(options, "private=true", "unsigned=true")
	return openHook(t, "http://"+listener.Addr().String()+"/services/pa55word#"+strings.Join(options, "&"))
}

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text) }
}

func TestAnswerThatIsNoneLeavesTheOutcomeUnknown(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		"closes":               say(""),
		"closes in the header": say("HTTP/1.1 200 OK\r\nContent-"),
		"garbage":              say("\x00\x01SSH-2.0 /services/pa55word\r\n\r\n"),
		"bad status":           say("HTTP/1.1 abc pa55word\r\n\r\n"),
		"resets":               func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
		"huge headers":         say("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Much: "+strings.Repeat("y", 1000)+"\r\n", 200) + "\r\n"),
		"endless informing":    say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("y", 1000)+"\r\n\r\n", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			w := rawReceiver(t, talk)
			err := w.Send(t.Context(), hookLetter(t, w))
			require.ErrorIs(t, err, lifecycle.ErrUnknown)
			require.ErrorContains(t, err, "no answer: ")
			require.NotContains(t, err.Error(), "pa55word")
			require.Less(t, len(err.Error()), 400)
		})
	}
}

// The status says it all: what becomes of the rest of the answer is of no interest.
func TestStatusCountsWhateverBecomesOfTheBody(t *testing.T) {
	endless := func(status string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n")
			for err == nil {
				_, err = c.Write(bytes.Repeat([]byte("x"), 1<<16))
			}
		}
	}
	stuck := func(status string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 10\r\n\r\nx")
			_, _ = c.Read(make([]byte, 1)) // until the other end gives up
		}
	}
	for name, talk := range map[string]func(net.Conn){
		"closes in the body": say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
		"bad chunks":         say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
		"endless":            endless("200 OK"),
		"stuck":              stuck("200 OK"),
		"zipped":             say("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
	} {
		t.Run(name, func(t *testing.T) {
			w := rawReceiver(t, talk, "timeout=60s")
			require.NoError(t, w.Send(t.Context(), hookLetter(t, w)))
		})
	}
	for name, talk := range map[string]func(net.Conn){
		"endless failure":     endless("500 Oh"),
		"stuck failure":       stuck("500 Oh"),
		"switching protocols": say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			w := rawReceiver(t, talk, "timeout=60s")
			requirePlain(t, w.Send(t.Context(), hookLetter(t, w)))
		})
	}
}

func TestSwitchedConnectionIsNotReadForEver(t *testing.T) {
	w := rawReceiver(t, func(c net.Conn) {
		say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")(c)
		_, _ = c.Read(make([]byte, 1)) // until the other end gives up
	})
	requirePlain(t, w.Send(t.Context(), hookLetter(t, w)))
}

func TestOneConnectionCarriesManyNotices(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){
		"HTTP/1.1":        func(s *httptest.Server) { s.StartTLS() },
		"HTTP/2":          func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
		"HTTP/1.1, plain": func(s *httptest.Server) { s.Start() },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			var connections atomic.Int64
			protocols := make(chan string, 100)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				protocols <- r.Proto
				_, _ = io.WriteString(rw, strings.Repeat("thank you ", 100))
			}))
			server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					connections.Add(1)
				}
			}
			start(server)
			t.Cleanup(server.Close)
			options := "#private=true&unsigned=true&connections=2"
			if server.TLS != nil {
				options += "&ca=" + authority(t, server)
			}
			w := openHook(t, server.URL+options)
			require.Equal(t, 2, w.AtOnce())
			l := hookLetter(t, w)
			for range 20 {
				require.NoError(t, w.Send(t.Context(), l))
			}
			require.EqualValues(t, 1, connections.Load())
			var senders sync.WaitGroup
			for range 16 {
				senders.Go(func() {
					if err := w.Send(t.Context(), l); err != nil {
						t.Error(err)
					}
				})
			}
			senders.Wait()
			require.LessOrEqual(t, connections.Load(), int64(2))
			require.Contains(t, name, (<-protocols)[:6])
		})
	}
}

// authority is a file with the certificate of a server, which vouches for itself.
func authority(t *testing.T, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&block), 0o600))
	return file
}

func TestReceiverThatClosesIdleConnectionsIsReachedAgain(t *testing.T) {
	noLeaks(t)
	server := httptest.NewServer(answer(http.StatusOK))
	t.Cleanup(server.Close)
	w := openHook(t, server.URL+"#private=true&unsigned=true")
	l := hookLetter(t, w)
	for range 20 {
		err := w.Send(t.Context(), l)
		if err != nil { // it was closed while we wrote, and nobody knows what had been read by then
			require.ErrorIs(t, err, lifecycle.ErrUnknown)
			err = w.Send(t.Context(), l)
		}
		require.NoError(t, err)
		server.CloseClientConnections()
	}
}

func TestReceiverThatCannotProveItselfGetsNothing(t *testing.T) {
	noLeaks(t)
	var told atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	t.Cleanup(plain.Close)
	port := server.Listener.Addr().(*net.TCPAddr).Port
	for name, address := range map[string]string{
		"unknown authority":      server.URL + "#private=true&unsigned=true",
		"another name":           fmt.Sprintf("https://localhost:%d#private=true&unsigned=true&ca=%s", port, authority(t, server)),
		"no TLS where there was": strings.Replace(plain.URL, "http:", "https:", 1) + "#private=true&unsigned=true",
	} {
		w := openHook(t, address)
		err := w.Send(t.Context(), hookLetter(t, w))
		require.ErrorIs(t, err, lifecycle.ErrUnavailable, name)
		require.NotErrorIs(t, err, lifecycle.ErrUnknown, name)
		require.ErrorContains(t, err, "not sent: ", name)
	}
	require.Zero(t, told.Load())
}

// The name may resolve to anything: what is dialled is what counts.
func TestNameThatLeadsIntoThePrivateNetworkIsRefusedWhenDialled(t *testing.T) {
	var told atomic.Int64
	w := hookTo(t, func(http.ResponseWriter, *http.Request) { told.Add(1) })
	// The address was good when it was opened, and its name leads to this machine now.
	transport := w.transport(guard{}, &addressOptions{})
	t.Cleanup(transport.CloseIdleConnections)
	w.client.Transport = transport
	err := w.Send(t.Context(), hookLetter(t, w))
	require.ErrorIs(t, err, lifecycle.ErrUnavailable, "the letters are not to die of it")
	require.ErrorContains(t, err, "127.0.0.1 is a private address, and those are refused; if it is meant, add the option private=true")
	require.Zero(t, told.Load())

	for _, host := range []string{"127.1", "0x7f.1", "2130706433", "0177.0.0.1"} { // some resolvers take these for addresses
		w := openHook(t, "https://"+host+"/#unsigned=true")
		require.ErrorIs(t, w.Send(t.Context(), hookLetter(t, w)), lifecycle.ErrUnavailable, host)
	}
}

func TestProxyIsUsedOnlyWhereAskedFor(t *testing.T) {
	noLeaks(t)
	proxied := make(chan string, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proxied <- r.URL.Host }))
	t.Cleanup(proxy.Close)
	where, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	open := func(options string, find proxyFinder) (Channel, error) {
		return newWebhook("http://hooks.invalid/#plain=true&unsigned=true"+options, setting(), find)
	}
	env := func(*http.Request) (*url.URL, error) { return where, nil }

	c, err := open("&proxy=env", env)
	require.NoError(t, err)
	w := c.(*Webhook)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	require.NoError(t, w.Send(t.Context(), hookLetter(t, w)))
	require.Equal(t, "hooks.invalid", <-proxied)

	for options, find := range map[string]proxyFinder{"": env, "&proxy=env": func(*http.Request) (*url.URL, error) { return nil, nil }} {
		c, err := open(options, find)
		require.NoError(t, err)
		require.ErrorIs(t, c.Send(t.Context(), hookLetter(t, w)), lifecycle.ErrUnavailable)
	}
	_, err = open("&proxy=env", func(*http.Request) (*url.URL, error) { return nil, errors.New("pa55word") })
	require.EqualError(t, err, "option proxy: what HTTPS_PROXY or HTTP_PROXY holds is not the address of a proxy")
}

// The example in docs/webhooks.md is what is posted.
func TestPayloadIsAsDocumented(t *testing.T) {
	w := openHook(t, "https://hooks.example.com/#unsigned=true", func(s *Setting) { s.Sandbox = true })
	l := hookLetter(t, w, func(l *lifecycle.Letter) { l.Recorded = l.Due.Add(time.Minute + 42*time.Microsecond) })
	require.Equal(t, "notice_1042-7-1_0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001_tenure-example-com", l.MessageID)

	page, err := os.ReadFile("../docs/webhooks.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(page), "```json\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "```")
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, []byte(example)))
	require.Equal(t, compact.String(), string(l.Message))
	for _, kind := range lifecycle.NoticeKinds {
		require.Contains(t, string(page), "| `"+hookType(kind)+"` |")
	}
	for _, option := range []string{"secretFile", "unsigned", "private", "plain", "ca", "timeout", "proxy", "connections"} {
		require.Contains(t, string(page), "| `"+option+"` |")
	}
}

func TestPayloadNamesNoPersonAndIsTheSameEveryTime(t *testing.T) {
	w := openHook(t, "https://hooks.example.com/#unsigned=true")
	for _, kind := range lifecycle.NoticeKinds {
		l := letter(kind, func(l *lifecycle.Letter) { l.Relationship.Customer.DisplayName = "株式会社 </script>\u202e" })
		id, message, err := w.Compose(l)
		require.NoError(t, err)
		again, same, err := w.Compose(l)
		require.NoError(t, err)
		require.Equal(t, id, again)
		require.Equal(t, string(message), string(same))
		require.NotContains(t, string(message), l.Recipient.Mail)
		require.NotContains(t, string(message), l.Recipient.DisplayName)
		require.NotContains(t, string(message), "</script>")
		require.True(t, json.Valid(message))
	}
	bare, _, err := w.Compose(lifecycle.Letter{Kind: lifecycle.KindRequestLapsed})
	require.NoError(t, err, "with as little as a record may hold")
	require.NotContains(t, bare, ".")
	_, _, err = w.Compose(lifecycle.Letter{Kind: lifecycle.KindDigest})
	require.ErrorIs(t, err, lifecycle.ErrPermanent)
}

func BenchmarkWebhook(b *testing.B) {
	server := httptest.NewServer(answer(http.StatusNoContent))
	b.Cleanup(server.Close)
	w := openHook(b, server.URL+"#private=true&secretFile="+secretFile(b, oldSecret))
	l := hookLetter(b, w)
	for b.Loop() {
		require.NoError(b, w.Send(b.Context(), l))
	}
}
