package notify

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// How a connection is encrypted, as the option "tls" says it.
const (
	tlsImplicit      = "implicit"      // from the first byte
	tlsRequired      = "starttls"      // or nothing is sent
	tlsOpportunistic = "opportunistic" // where the server offers it
	tlsNone          = "none"
)

var (
	smtpOptionNames = []string{"passwordFile", "tokenFile", "auth", "tls", "ca", "connections", "rate", "timeout", "helo", "envelopeFrom"}
	smtpAuths       = []string{"auto", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2"}
)

// A mailAccess is what all servers of a channel have in common: who we are to them, and how we talk to them.
type mailAccess struct {
	user    string                 // empty: we do not log in
	secret  func() (string, error) // the password or the token, read anew for each connection, since both are renewed
	auth    string                 // one of smtpAuths
	tls     string                 // empty: none for a server on this machine, required for any other
	roots   *x509.CertPool         // nil: the system's
	helo    string
	timeout time.Duration
	wall    func() time.Time
}

// A smtpAddress is what stands before the # of a channel's address.
type smtpAddress struct {
	scheme   string
	user     string
	password string
	hosts    []string // with ports
}

// parseSMTP reads smtp://USER:PASSWORD@HOST:PORT,HOST:PORT. Its faults show nothing that may be a part of a password.
func parseSMTP(address string) (a smtpAddress, faults []error) {
	scheme, rest, _ := strings.Cut(address, ":")
	a.scheme = strings.ToLower(scheme)
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return a, []error{fmt.Errorf("write it like %s://mail.example.com:587", a.scheme)}
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		var userErr, passwordErr error
		a.user, userErr = url.PathUnescape(user)
		a.password, passwordErr = url.PathUnescape(password)
		if userErr != nil || passwordErr != nil {
			faults = append(faults, errors.New("the user's name or password has a % that is not followed by two hexadecimal digits; write %25"))
		}
		if a.user == "" {
			faults = append(faults, errors.New("there is no user's name before the @"))
		}
		rest = rest[at+1:]
	}
	for host := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), ",") {
		withPort, err := hostAndPort(strings.TrimSpace(host), a.scheme)
		if err != nil {
			faults = append(faults, err)
		}
		a.hosts = append(a.hosts, withPort)
	}
	return a, faults
}

func hostAndPort(host, scheme string) (string, error) {
	port := map[string]string{"smtp": "587", "smtps": "465"}[scheme]
	name := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.Count(host, ":") == 1 || strings.Contains(host, "]:") {
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil {
			return "", errors.New("a server is not of the form HOST:PORT; write an IPv6 address in brackets")
		}
	}
	switch n, err := strconv.ParseUint(port, 10, 16); {
	case name == "":
		return "", errors.New("a server has no host; write it like mail.example.com:587")
	case net.ParseIP(name) == nil && !domainName.MatchString(name):
		return "", errors.New("a server's host is neither a domain name nor an IP address")
	case err != nil || n == 0:
		return "", fmt.Errorf("the port of the server %s is not a number from 1 to 65535", name)
	}
	return net.JoinHostPort(name, port), nil
}

// maskSMTP hides the password, and whatever is not certain to be none.
func maskSMTP(address string) string {
	before, after, hasOptions := strings.Cut(address, "#")
	a, faults := parseSMTP(before)
	if len(faults) > 0 {
		return a.scheme + "://***"
	}
	var b strings.Builder
	b.WriteString(a.scheme + "://")
	if a.user != "" {
		b.WriteString(url.PathEscape(a.user))
		if a.password != "" {
			b.WriteString(":***")
		}
		b.WriteString("@")
	}
	b.WriteString(strings.Join(a.hosts, ","))
	if hasOptions {
		options := strings.Split(after, "&")
		for i, option := range options {
			if name, _, _ := strings.Cut(option, "="); !slices.Contains(smtpOptionNames, name) {
				options[i] = "***"
			}
		}
		b.WriteString("#" + strings.Join(options, "&"))
	}
	return b.String()
}

// openSMTP makes a channel of an address. It connects to nothing; all faults of the address are reported at once.
func openSMTP(address string, s Setting) (*SMTP, error) {
	before, o := cutOptions(address, smtpOptionNames...)
	a, faults := parseSMTP(before)
	o.faults = append(faults, o.faults...)

	access := &mailAccess{user: a.user, wall: s.Wall, timeout: o.span("timeout", 30*time.Second, time.Millisecond, time.Hour)}
	access.tls = o.tls(a.scheme)
	access.auth = o.oneOf("auth", smtpAuths...)
	access.secret = o.secret(&a, access.auth)
	if o.text("tokenFile") != "" {
		access.auth = "xoauth2" // the only one that takes a token
	}
	access.roots = o.roots()
	access.helo = o.helo(s.Domain)
	connections := o.count("connections", 4, 1, 100)
	c := &SMTP{wall: s.Wall, log: s.Log, envelopeFrom: o.text("envelopeFrom"), rate: o.rate()}
	if c.envelopeFrom != "" {
		if err := addressFault(c.envelopeFrom); err != nil {
			o.fault("option envelopeFrom: %q %w", c.envelopeFrom, err)
		}
	}
	if s.Wall == nil {
		o.fault("there is no clock")
	}
	for _, host := range a.hosts {
		c.servers = append(c.servers, newMailServer(host, access, connections))
	}
	return c, o.err()
}

// oneOf is the option's value, by default the first one allowed.
func (o *addressOptions) oneOf(name string, allowed ...string) string {
	value := o.text(name)
	if value == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, value) {
		o.fault("option %s: %q is none of %s", name, value, strings.Join(allowed, ", "))
	}
	return value
}

func (o *addressOptions) rate() *rate.Limiter {
	written := o.text("rate")
	if written == "" {
		return nil
	}
	perSecond, err := strconv.ParseFloat(written, 64)
	if err != nil || !(perSecond >= 0.02 && perSecond <= 1e6) {
		o.fault("option rate: %q is not a number of letters per second, such as 10 or 0.5, and at least 0.02", written)
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), 1)
}

func (o *addressOptions) tls(scheme string) string {
	given := o.text("tls")
	if scheme == "smtps" {
		if given != "" && given != tlsImplicit {
			o.fault("option tls: %q does not go with smtps://, which encrypts from the first byte; write smtp://, or leave it out", given)
		}
		return tlsImplicit
	}
	if given == "" {
		return ""
	}
	return o.oneOf("tls", tlsRequired, tlsOpportunistic, tlsNone)
}

func (o *addressOptions) roots() *x509.CertPool {
	file := o.text("ca")
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		o.fault("option ca: %w; give the file with the certificate of the authority, in PEM", err)
		return nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		o.fault("option ca: there is no certificate in %s; it must be in PEM", file)
	}
	return roots
}

func (o *addressOptions) helo(domain string) string {
	helo := o.text("helo")
	if helo == "" {
		return cmp.Or(domain, "localhost")
	}
	literal, open := strings.CutPrefix(helo, "[")
	literal, closed := strings.CutSuffix(literal, "]")
	isIP := open && closed && net.ParseIP(strings.TrimPrefix(literal, "IPv6:")) != nil
	if !isIP && !domainName.MatchString(helo) {
		o.fault("option helo: %q is neither a domain name nor an IP address in brackets", helo)
	}
	return helo
}

// secret finds out what we log in with. A file is read once now, so that one that is missing shows at start.
func (o *addressOptions) secret(a *smtpAddress, auth string) func() (string, error) {
	passwordFile, tokenFile := o.text("passwordFile"), o.text("tokenFile")
	given := 0
	for _, s := range []string{a.password, passwordFile, tokenFile} {
		if s != "" {
			given++
		}
	}
	switch {
	case given > 1:
		o.fault("a password in the address, passwordFile and tokenFile exclude each other; give one of them")
	case given > 0 && a.user == "":
		o.fault("there is a password or a token, but nobody that it belongs to; write smtp://USER@HOST:PORT")
	case given == 0 && a.user != "":
		o.fault("there is a user, but no password; give it in a file (#passwordFile=FILE), or a token (#tokenFile=FILE)")
	case auth == "xoauth2" && tokenFile == "":
		o.fault("option auth: xoauth2 needs a token; give the file that it is renewed in (#tokenFile=FILE)")
	case tokenFile != "" && auth != "xoauth2" && auth != "auto":
		o.fault("option auth: %s logs in with a password; a token (tokenFile) goes with xoauth2", auth)
	case auth != "auto" && a.user == "":
		o.fault("option auth: there is nobody to log in; write smtp://USER@HOST:PORT")
	}
	for name, file := range map[string]string{"passwordFile": passwordFile, "tokenFile": tokenFile} {
		if file == "" {
			continue
		}
		read := func() (string, error) { return readSecret(name, file) }
		if _, err := read(); err != nil {
			o.fault("%w", err)
		}
		return read
	}
	return func() (string, error) { return a.password, nil }
}

func readSecret(option, file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("option %s: %w; see that the file exists and that we may read it", option, err)
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("option %s: the file %s is empty", option, file)
	}
	return secret, nil
}
