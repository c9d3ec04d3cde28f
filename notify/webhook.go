package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Webhook tells a program: it posts each notice as JSON to an address, signed so that the receiver can tell who sent it. The
// headers and the signature are those of Standard Webhooks 1.0; what is sent is described in docs/webhooks.md.
//
// Of its address only scheme and host are ever shown: paths of webhooks are passwords in all but name.
type Webhook struct {
	to      *url.URL
	shown   string // the address as it may be shown
	redact  redactor
	keys    *keyring // nil: unsigned
	client  *http.Client
	timeout time.Duration
	atOnce  int
	agent   string
	setting Setting
}

var _ = register(channelKind{
	schemes:   []string{"https", "http"},
	usage:     "https://HOST/PATH#secretFile=FILE: a webhook, told of each notice as signed JSON",
	endpoints: true,
	mask:      maskURL,
	open: func(address string, s Setting) (Channel, error) {
		return newWebhook(address, s, http.ProxyFromEnvironment)
	},
})

const (
	longestURL     = 2000
	mostOfAnAnswer = 64 << 10 // bytes that are read of it
	shownOfAnswer  = 200      // characters
	longestWait    = 24 * time.Hour
	drainFor       = time.Second // how long to wait for the rest of an answer whose status is known
)

type proxyFinder func(*http.Request) (*url.URL, error)

// newWebhook opens the channel. Nobody is connected to yet: a receiver that is down must not keep tenure from starting.
func newWebhook(address string, s Setting, proxyFor proxyFinder) (Channel, error) {
	written, o := cutOptions(address, "secretFile", "unsigned", "private", "plain", "ca", "timeout", "proxy", "connections")
	to := readURL(written, o)
	w := &Webhook{to: to, shown: maskURL(address), setting: s,
		timeout: o.span("timeout", 15*time.Second, time.Second, time.Minute),
		atOnce:  o.count("connections", 4, 1, 64),
		agent:   strings.TrimSuffix("tenure/"+s.Version, "/"),
	}
	g := guard{private: o.on("private")}
	plain := o.on("plain")
	if to != nil {
		checkHost(to, g, plain, o)
		w.redact = newRedactor(to)
	}
	if s.Wall == nil {
		o.fault("the program gives it no clock")
	} else {
		w.keys = openKeys(o, s)
	}
	transport := w.transport(g, o)
	if o.text("proxy") != "" && to != nil {
		useProxy(transport, to, proxyFor, o)
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	w.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return w, nil
}

// readURL reads the address; nil if it is none. The error of the parser is left out, since it quotes what it has read.
func readURL(written string, o *addressOptions) *url.URL {
	to, err := url.Parse(written)
	switch {
	case len(written) > longestURL:
		o.fault("the address is longer than %d characters", longestURL)
	case err != nil || to.Hostname() == "" || to.Opaque != "":
		o.fault("it is not a URL such as https://hooks.example.com/path; see that the host is right and that special characters are written as %%XX")
	case !goodPort(to.Port()):
		o.fault("its port is not a number from 1 to 65535")
	default:
		return to
	}
	return nil
}

func goodPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n >= 1 && n <= 65535
}

// checkHost finds what can be said of the host before its name is resolved.
func checkHost(to *url.URL, g guard, plain bool, o *addressOptions) {
	host := strings.ToLower(strings.TrimSuffix(to.Hostname(), "."))
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		ip, err = netip.IPv6Loopback(), nil
	}
	if err == nil {
		if fault := g.check(ip); fault != nil {
			o.fault("%w", fault)
		}
	}
	if loopback := err == nil && inner(ip).IsLoopback(); to.Scheme == "http" && !loopback && !plain {
		o.fault("http:// sends notices unencrypted; write https://, or add the option plain=true if the way there is safe")
	}
}

func openKeys(o *addressOptions, s Setting) *keyring {
	files, unsigned := o.list("secretFile"), o.on("unsigned")
	switch {
	case unsigned && len(files) > 0:
		o.fault("options secretFile and unsigned contradict each other; leave one out")
	case unsigned:
	case len(files) == 0:
		o.fault("option secretFile is missing; put a secret that the receiver knows into a file (whsec_ and what `openssl rand -base64 32` prints) and name it, " +
			"or add unsigned=true for a receiver that cannot check signatures")
	default:
		keys, err := newKeyring(files, s)
		for _, fault := range apart(err) {
			o.fault("%w", fault)
		}
		return keys
	}
	return nil
}

func (w *Webhook) transport(g guard, o *addressOptions) *http.Transport {
	dialer := net.Dialer{Timeout: w.timeout, KeepAlive: 30 * time.Second, ControlContext: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted(o)},
		TLSHandshakeTimeout:    w.timeout,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        w.atOnce,
		MaxIdleConnsPerHost:    w.atOnce,
		IdleConnTimeout:        30 * time.Second, // less than most receivers allow: one that closes just then leaves us in doubt
		MaxResponseHeaderBytes: mostOfAnAnswer,
		DisableCompression:     true,
	}
}

// trusted are the authorities that may vouch for the receiver; nil: those of the system.
func trusted(o *addressOptions) *x509.CertPool {
	file := o.text("ca")
	if file == "" {
		return nil
	}
	pem, err := readSmall(file)
	pool := x509.NewCertPool()
	switch {
	case err != nil:
		o.fault("option ca: %w", err)
	case !pool.AppendCertsFromPEM([]byte(pem)):
		o.fault("option ca: there is no certificate in %s; it must be in PEM form", file)
	}
	return pool
}

// useProxy goes through the proxy that the environment names. Where that connects to, the guard does not see; the proxy itself
// was chosen by whoever runs this process.
func useProxy(transport *http.Transport, to *url.URL, proxyFor proxyFinder, o *addressOptions) {
	if o.text("proxy") != "env" {
		o.fault("option proxy: write env, for what HTTPS_PROXY and NO_PROXY say, or leave it out")
		return
	}
	proxy, err := proxyFor(&http.Request{URL: to})
	switch {
	case err != nil:
		o.fault("option proxy: what HTTPS_PROXY or HTTP_PROXY holds is not the address of a proxy")
	case proxy != nil:
		transport.Proxy = http.ProxyURL(proxy)
		transport.DialContext = (&net.Dialer{Timeout: transport.TLSHandshakeTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
}

// A hook is what is posted.
type hook struct {
	Type      string   `json:"type"`
	Timestamp string   `json:"timestamp"`
	Data      hookData `json:"data"`
}

type hookData struct {
	NoticeID         string               `json:"noticeId"`
	Kind             lifecycle.NoticeKind `json:"kind"`
	Stage            *string              `json:"stage"`
	Side             lifecycle.Side       `json:"side"`
	TenantID         string               `json:"tenantId"`
	Role             lifecycle.Role       `json:"role"`
	EndDateTime      *string              `json:"endDateTime"`
	DueDateTime      *string              `json:"dueDateTime"`
	RecordedDateTime *string              `json:"recordedDateTime"`
	Sandbox          bool                 `json:"sandbox"`
	Relationship     *lifecycle.Wire      `json:"relationship"`
}

// Compose writes what is posted of l, and its id, which is the same on every attempt. Nothing in it names a person.
func (w *Webhook) Compose(l lifecycle.Letter) (messageID string, message []byte, err error) {
	if l.IsDigest() {
		return "", nil, fmt.Errorf("write notice %s: a webhook is told of each notice by itself, and of no digest: %w", l.NoticeID, lifecycle.ErrPermanent)
	}
	h := hook{Type: hookType(l.Kind), Timestamp: lifecycle.FormatInstant(l.Due), Data: hookData{
		NoticeID: l.String(), Kind: l.Kind, Side: l.Recipient.Role.Side(), TenantID: l.Recipient.TenantID, Role: l.Recipient.Role,
		EndDateTime: wireInstant(l.End), DueDateTime: wireInstant(l.Due), RecordedDateTime: wireInstant(l.Recorded),
		Sandbox: w.setting.Sandbox, Relationship: l.Relationship.Wire(w.setting.Policy),
	}}
	if !l.Stage.IsZero() {
		stage := l.Stage.String()
		h.Data.Stage = &stage
	}
	message, err = json.Marshal(h)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s: %w", l.NoticeID, err)
	}
	return hookID(&l, w.setting.Domain), message, nil
}

// hookType is the kind in the letters that Standard Webhooks recommends.
func hookType(kind lifecycle.NoticeKind) string {
	return "notice." + strings.ReplaceAll(string(kind), "-", "_")
}

// hookID names the message of l. There must be no full stop in it: that is what parts the id from what else is signed.
func hookID(l *lifecycle.Letter, domain string) string {
	return fmt.Sprintf("notice_%s_%s_%s", l.NoticeID, atom(l.Relationship.ID), atom(domain))
}

func wireInstant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := lifecycle.FormatInstant(t)
	return &s
}

// AtOnce is how many connections there may be.
func (w *Webhook) AtOnce() int { return w.atOnce }

// Close closes the connections that wait for the next notice.
func (w *Webhook) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// String is the address without its secrets.
func (w *Webhook) String() string { return w.shown }

// GoString is the same: %#v would show all there is.
func (w *Webhook) GoString() string { return w.shown }

// Send posts l.Message. No failure is permanent: a receiver that refuses is one that somebody has to mend, and what it has
// missed then goes out.
func (w *Webhook) Send(ctx context.Context, l lifecycle.Letter) error {
	if err := w.post(ctx, &l); err != nil {
		return fmt.Errorf("post notice %s to %s: %w", l.NoticeID, w.to.Host, err)
	}
	return nil
}

func (w *Webhook) post(caller context.Context, l *lifecycle.Letter) error {
	ctx, cancel := context.WithTimeout(caller, w.timeout)
	defer cancel()
	var written atomic.Bool // the whole request, on the connection that is used last
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { written.Store(false) },
		WroteRequest: func(r httptrace.WroteRequestInfo) { written.Store(r.Err == nil) },
	})
	req, err := w.request(ctx, l)
	if err != nil {
		return err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return w.unanswered(caller, err, written.Load())
	}
	defer resp.Body.Close()
	defer time.AfterFunc(drainFor, cancel).Stop()
	return w.outcome(resp)
}

func (w *Webhook) request(ctx context.Context, l *lifecycle.Letter) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.to.String(), bytes.NewReader(l.Message))
	if err != nil {
		return nil, errors.New("its address makes no request") // the error would quote it
	}
	now := w.setting.Wall()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Webhook-Id", l.MessageID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	if w.keys != nil {
		req.Header.Set("Webhook-Signature", w.keys.sign(l.MessageID, now, l.Message))
	}
	return req, nil
}

// unanswered says what it means that there was no answer: once all was written, nobody knows whether it was read.
func (w *Webhook) unanswered(caller context.Context, err error, written bool) error {
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err // without the URL
	}
	cause := errors.New(w.redact.line(err.Error()))
	if errors.Is(err, context.DeadlineExceeded) {
		cause = fmt.Errorf("nothing was heard within %s", w.timeout)
	}
	switch {
	case written:
		return fmt.Errorf("no answer: %w: %w", cause, lifecycle.ErrUnknown)
	case caller.Err() != nil:
		return fmt.Errorf("not sent: %w", caller.Err())
	}
	return fmt.Errorf("not sent: %w: %w", cause, lifecycle.ErrUnavailable)
}

// outcome says what the answer means. Source: Standard Webhooks, "Delivery success and failure".
func (w *Webhook) outcome(resp *http.Response) error {
	text := ""
	if resp.StatusCode != http.StatusSwitchingProtocols { // behind that there is a connection, which has no end
		text = w.read(resp.Body)
	}
	var err error
	switch code := resp.StatusCode; code {
	case http.StatusGone:
		return fmt.Errorf("%s%s: %w", status(code), text, lifecycle.ErrSwitchedOff)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		err = fmt.Errorf("%s%s: %w", status(code), text, lifecycle.ErrUnavailable)
	case http.StatusBadGateway, http.StatusGatewayTimeout: // what stands behind the gateway may have got it
		err = fmt.Errorf("%s%s: %w", status(code), text, lifecycle.ErrUnknown)
	default:
		switch {
		case code >= 200 && code < 300:
			return nil
		case code >= 300 && code < 400:
			err = fmt.Errorf("%s%s, and redirects are not followed; give the channel the address where the receiver is now", status(code), redirectedTo(resp))
		default:
			err = fmt.Errorf("%s%s", status(code), text)
		}
	}
	if wait := retryAfter(resp.Header.Get("Retry-After"), w.setting.Wall()); wait > 0 {
		return &lifecycle.Later{Wait: wait, Err: err}
	}
	return err
}

func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s", code, http.StatusText(code)))
}

// redirectedTo names the host that a redirect leads to, and nothing else of it.
func redirectedTo(resp *http.Response) string {
	to, err := resp.Location()
	if err != nil || to.Hostname() == "" {
		return ""
	}
	return " to " + clean(to.Hostname(), longestName)
}

// read is the beginning of an answer, fit to be shown after the status. It reads on to the end of a short one, so that the
// connection can be used again.
func (w *Webhook) read(body io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(body, mostOfAnAnswer))
	if err != nil || len(text) == mostOfAnAnswer {
		text = text[:max(0, len(text)-longestURL)] // where it was cut, half a secret would not be known for one
	}
	if line := w.redact.line(string(text)); line != "" {
		return ", saying " + strconv.QuoteToGraphic(line)
	}
	return ""
}

// retryAfter is the wait that a receiver asks for, in seconds or as a date: up to a day, and 0 where it asks for none.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	seconds, err := strconv.ParseUint(header, 10, 64)
	switch {
	case err == nil && seconds < uint64(longestWait/time.Second):
		return time.Duration(seconds) * time.Second
	case err == nil || errors.Is(err, strconv.ErrRange):
		return longestWait
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), longestWait)
}

// maskURL keeps scheme and host of a URL.
func maskURL(address string) string {
	scheme, _, _ := strings.Cut(address, ":")
	written, _, _ := strings.Cut(address, "#")
	to, err := url.Parse(written)
	if err != nil || to.Hostname() == "" || strings.Contains(to.Path, "@") { // a password with a "/" in it looks like a host
		return strings.ToLower(scheme) + "://***"
	}
	masked := to.Scheme + "://" + to.Host
	if to.User != nil || to.Path != "" || to.RawQuery != "" {
		masked += "/***"
	}
	return masked
}
