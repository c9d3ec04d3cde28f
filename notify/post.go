package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
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

// A poster posts messages to one address, signed so that the receiver can tell who sent them. The headers and the signature are
// those of Standard Webhooks 1.0. It may be used by many goroutines.
//
// Of its address only scheme and host are ever shown: paths of webhooks are passwords in all but name.
type poster struct {
	to      *url.URL
	shown   string // the address as it may be shown
	redact  redactor
	keys    signer // nil: unsigned
	client  *http.Client
	timeout time.Duration
	drain   time.Duration // how long to wait for the rest of an answer whose status is known
	atOnce  int
	agent   string
	setting Setting
}

// A signer makes the signatures of a message.
type signer interface {
	sign(id string, at time.Time, payload []byte) string
}

const (
	longestURL     = 2000
	mostOfAnAnswer = 64 << 10 // bytes that are read of it
	shownOfAnswer  = 200      // characters
	longestWait    = 24 * time.Hour
	drainFor       = time.Second // for the rest of an answer that says nothing more

	defaultTimeout = 15 * time.Second
	defaultAtOnce  = 4
)

type proxyFinder func(*http.Request) (*url.URL, error)

// posterOptions are the options of an address.
var posterOptions = []string{"secretFile", "unsigned", "private", "plain", "ca", "timeout", "proxy", "connections"}

// newPoster reads the address that an operator has written, with its options. Nobody is connected to yet: a receiver that is
// down must not keep tenure from starting.
func newPoster(address string, s Setting, proxyFor proxyFinder) (*poster, error) {
	written, o := cutOptions(address, posterOptions...)
	to := readURL(written, o)
	p := &poster{to: to, shown: maskURL(address), setting: s, drain: drainFor,
		timeout: o.span("timeout", defaultTimeout, time.Second, time.Minute),
		atOnce:  o.count("connections", defaultAtOnce, 1, 64),
		agent:   agentOf(s.Version),
	}
	g := guard{private: o.on("private"), unless: "add the option private=true"}
	plain := o.on("plain")
	if to != nil {
		checkHost(to, g, plain, o)
		p.redact = newRedactor(to)
	}
	if s.Wall == nil {
		o.fault("the program gives it no clock")
	} else if keys := openKeys(o, s); keys != nil {
		p.keys = keys
	}
	transport := p.transport(g, o)
	if o.text("proxy") != "" && to != nil {
		useProxy(transport, to, proxyFor, o)
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	p.client = newClient(transport)
	return p, nil
}

func agentOf(version string) string { return strings.TrimSuffix("tenure/"+version, "/") }

func newClient(transport *http.Transport) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
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
	ip, literal := addressOf(to)
	if literal {
		if fault := g.check(ip); fault != nil {
			o.fault("%w", fault)
		}
	}
	if loopback := literal && inner(ip).IsLoopback(); to.Scheme == "http" && !loopback && !plain {
		o.fault("http:// sends notices unencrypted; write https://, or add the option plain=true if the way there is safe")
	}
}

// addressOf is the IP address that a URL names, where no resolver has to be asked.
func addressOf(to *url.URL) (ip netip.Addr, literal bool) {
	host := strings.ToLower(strings.TrimSuffix(to.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.IPv6Loopback(), true
	}
	ip, err := netip.ParseAddr(host)
	return ip, err == nil
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

func (p *poster) transport(g guard, o *addressOptions) *http.Transport {
	dialer := net.Dialer{Timeout: p.timeout, KeepAlive: 30 * time.Second, ControlContext: g.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted(o)},
		TLSHandshakeTimeout:    p.timeout,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        p.atOnce,
		MaxIdleConnsPerHost:    p.atOnce,
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

// AtOnce is how many connections there may be.
func (p *poster) AtOnce() int { return p.atOnce }

// Close closes the connections that wait for the next message.
func (p *poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// String is the address without its secrets.
func (p *poster) String() string { return p.shown }

// GoString is the same: %#v would show all there is.
func (p *poster) GoString() string { return p.shown }

// post posts a message, and has the answer read by heard.
func (p *poster) post(caller context.Context, id string, message []byte, heard func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(caller, p.timeout)
	defer cancel()
	var written, kept atomic.Bool // the whole request, on the connection that is used last; and whether that is an old one
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(c httptrace.GotConnInfo) { written.Store(false); kept.Store(c.Reused) },
		WroteRequest: func(r httptrace.WroteRequestInfo) { written.Store(r.Err == nil) },
	})
	req, err := p.request(ctx, id, message)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil && kept.Load() && !written.Load() && ctx.Err() == nil {
		// The other side had closed the connection while nobody looked. That is no reason for the channel to rest.
		p.client.CloseIdleConnections()
		if req, err = p.request(ctx, id, message); err == nil {
			resp, err = p.client.Do(req)
		}
	}
	if err != nil {
		return p.unanswered(caller, err, written.Load())
	}
	defer resp.Body.Close()
	defer time.AfterFunc(p.drain, cancel).Stop()
	return heard(resp)
}

func (p *poster) request(ctx context.Context, id string, message []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to.String(), bytes.NewReader(message))
	if err != nil {
		return nil, errors.New("its address makes no request") // the error would quote it
	}
	now := p.setting.Wall()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", p.agent)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	if p.keys != nil {
		req.Header.Set("Webhook-Signature", p.keys.sign(id, now, message))
	}
	return req, nil
}

// unanswered says what it means that there was no answer: once all was written, nobody knows whether it was read.
func (p *poster) unanswered(caller context.Context, err error, written bool) error {
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err // without the URL
	}
	cause := errors.New(p.redact.line(err.Error()))
	if errors.Is(err, context.DeadlineExceeded) {
		cause = fmt.Errorf("nothing was heard within %s", p.timeout)
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
func (p *poster) outcome(resp *http.Response) error {
	text := ""
	if resp.StatusCode != http.StatusSwitchingProtocols { // behind that there is a connection, which has no end
		text = p.read(resp.Body)
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
	return p.later(resp, err)
}

// later is a failure with the wait that the receiver asks for, if it does.
func (p *poster) later(resp *http.Response, err error) error {
	if wait := p.wait(resp); wait > 0 {
		return &lifecycle.Later{Wait: wait, Err: err}
	}
	return err
}

// wait is the wait that an answer asks for; 0 where it asks for none.
func (p *poster) wait(resp *http.Response) time.Duration {
	return retryAfter(resp.Header.Get("Retry-After"), p.setting.Wall())
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
func (p *poster) read(body io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(body, mostOfAnAnswer))
	if err != nil || len(text) == mostOfAnAnswer {
		text = text[:max(0, len(text)-longestURL)] // where it was cut, half a secret would not be known for one
	}
	if line := p.redact.line(string(text)); line != "" {
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
