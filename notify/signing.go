package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How large a secret may be, in bytes, and how many there may be. Source: Standard Webhooks, "Signature scheme".
const (
	shortestSecret = 24
	longestSecret  = 64
	mostSecrets    = 8
)

// keptFor is how long secrets are used before their files are looked at again.
const keptFor = 5 * time.Second

// A keyring holds the secrets that a receiver knows us by. They stand in files, one to a line, and are read again now and then:
// a secret is replaced by adding the new one, giving it to the receiver, and taking the old one away, while notices go out.
type keyring struct {
	files []string
	wall  func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	secrets [][]byte
	readAt  time.Time
	fault   string // why they could not be read the last time
}

// newKeyring reads the files for the first time. Its faults name the file and never what it holds.
func newKeyring(files []string, s Setting) (*keyring, error) {
	k := &keyring{files: files, wall: s.Wall, log: s.Log, readAt: s.Wall()}
	var err error
	k.secrets, err = readSecrets(files)
	return k, err
}

// sign makes the signatures of a message, one for each secret.
func (k *keyring) sign(id string, at time.Time, payload []byte) string {
	return secretList(k.current()).sign(id, at, payload)
}

// A secretList holds the secrets that a receiver knows us by.
type secretList [][]byte

// sign makes the signatures of a message, one for each secret. Source: Standard Webhooks, "Signature scheme".
func (l secretList) sign(id string, at time.Time, payload []byte) string {
	var signatures []string
	for _, secret := range l {
		signatures = append(signatures, signature(secret, id, at, payload))
	}
	return strings.Join(signatures, " ")
}

func signature(secret []byte, id string, at time.Time, payload []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	h.Write(payload)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// current are the secrets as they stand in the files. Those that were read last stay while the files cannot be read: somebody
// may be about to replace them.
func (k *keyring) current() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.wall()
	if since := now.Sub(k.readAt); since >= 0 && since < keptFor {
		return k.secrets
	}
	k.readAt = now
	secrets, err := readSecrets(k.files)
	if err != nil {
		if k.fault != err.Error() {
			k.log.Warn("webhook secrets cannot be read, those read before stay in use", "error", err)
		}
		k.fault = err.Error()
		return k.secrets
	}
	k.secrets, k.fault = secrets, ""
	return secrets
}

// readSecrets reads all files, and reports all faults at once.
func readSecrets(files []string) ([][]byte, error) {
	var secrets [][]byte
	var faults []error
	for _, file := range files {
		text, err := readSmall(file)
		if err != nil {
			faults = append(faults, fmt.Errorf("option secretFile: %w", err))
			continue
		}
		before := len(secrets)
		for i, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			secret, err := parseSecret(line)
			if err != nil {
				faults = append(faults, fmt.Errorf("option secretFile: %s:%d: %w", file, i+1, err))
			}
			secrets = append(secrets, secret)
		}
		if len(secrets) == before {
			faults = append(faults, fmt.Errorf("option secretFile: %s is empty; put a secret into it, such as whsec_ followed by what `openssl rand -base64 32` prints", file))
		}
	}
	if len(secrets) > mostSecrets {
		faults = append(faults, fmt.Errorf("option secretFile: there are %d secrets, and %d is the most; take the old ones away", len(secrets), mostSecrets))
	}
	return secrets, errors.Join(faults...)
}

// parseSecret reads a secret as Standard Webhooks writes it, with its prefix or without.
func parseSecret(s string) ([]byte, error) {
	if strings.HasPrefix(s, "whsk_") || strings.HasPrefix(s, "whpk_") {
		return nil, errors.New("is a key for asymmetric signatures, which are not made here; give a secret that begins with whsec_")
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
	if err != nil {
		return nil, errors.New("is not a secret: whsec_ and base64, such as `openssl rand -base64 32` prints")
	}
	if len(secret) < shortestSecret || len(secret) > longestSecret {
		return nil, fmt.Errorf("is a secret of %d bytes; it must have %d to %d", len(secret), shortestSecret, longestSecret)
	}
	return secret, nil
}

// readSmall reads a file that somebody has named in an option, and nothing that never ends.
func readSmall(file string) (string, error) {
	const most = 64 << 10
	stat, err := os.Stat(file)
	if err == nil && !stat.Mode().IsRegular() {
		return "", fmt.Errorf("%s is a folder, a pipe or a device; name a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%w; see that the file exists and may be read by this user", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return "", err
	}
	if len(text) > most {
		return "", fmt.Errorf("%s is longer than %d KB; that is not the right file", file, most>>10)
	}
	return string(text), nil
}
