package lifecycle

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Fingerprints stand in the events of every deployment: they are made faster, never otherwise.
func TestFingerprintIsThatOfTheFirstRelease(t *testing.T) {
	require.Equal(t, firstFingerprint(&Record{}), (&Record{}).Fingerprint())
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "never") {
				return time.Time{}
			}
			zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "zone")*3600)
			return time.Unix(rapid.Int64Range(-70_000_000_000, 300_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
		})
		r := someRecord(DefaultPolicy()).Draw(t, "record")
		if rapid.Bool().Draw(t, "wild") {
			for i, text := range []*string{&r.ID, &r.Partner, &r.DisplayName, &r.Customer.TenantID, &r.Customer.DisplayName} {
				*text = rapid.String().Draw(t, fmt.Sprint("text ", i))
			}
			for i, at := range []*time.Time{&r.Created, &r.Modified, &r.Locked, &r.Approved, &r.Activated, &r.End, &r.NameReleased} {
				*at = instant.Draw(t, fmt.Sprint("instant ", i))
			}
			r.Roles = rapid.SliceOf(rapid.String()).Draw(t, "roles")
			r.Assigned = rapid.Int().Draw(t, "assigned")
			r.Duration = Period{rapid.Int().Draw(t, "months"), time.Duration(rapid.Int64().Draw(t, "span"))}
		}
		require.Equal(t, firstFingerprint(&r), r.Fingerprint())
		for _, at := range []time.Time{r.Created, r.End} {
			require.Equal(t, firstFormat(at), FormatInstant(at))
		}
	})
}

// firstFingerprint is how fingerprints were made at first.
func firstFingerprint(r *Record) string {
	var b strings.Builder
	for _, part := range []string{
		r.ID, r.Partner, r.DisplayName, r.Duration.String(), fmt.Sprint(r.AutoExtend), string(r.Status), r.Customer.TenantID,
		r.Customer.DisplayName, strings.Join(r.Roles, " "), firstFormat(r.Created), firstFormat(r.Modified), firstFormat(r.Locked),
		firstFormat(r.Approved), firstFormat(r.Activated), firstFormat(r.End), firstFormat(r.NameReleased), fmt.Sprint(r.Assigned),
	} {
		fmt.Fprintf(&b, "%d:%s", len(part), part)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func firstFormat(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(instantLayout)
}

// One is made for each record that changes.
func BenchmarkFingerprint(b *testing.B) {
	r := contoso()
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Fingerprint()
	}
}

func BenchmarkFirstFingerprint(b *testing.B) {
	r := contoso()
	b.ReportAllocs()
	for b.Loop() {
		_ = firstFingerprint(&r)
	}
}

// Whoever adds a field to a record decides whether its fingerprint covers it.
func TestFingerprintCoversEveryFieldThatSomebodySaid(t *testing.T) {
	leftOut := map[string]bool{"WarnAfter": true, "Version": true, "Stayed": true}
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	base := Record{Roles: []string{"a"}, Created: at}
	for i := range reflect.TypeFor[Record]().NumField() {
		field := reflect.TypeFor[Record]().Field(i)
		changed := base
		change(t, reflect.ValueOf(&changed).Elem().Field(i))
		require.Equal(t, leftOut[field.Name], changed.Fingerprint() == base.Fingerprint(), field.Name)
	}
	require.Len(t, base.Fingerprint(), 32)
	require.NotEqual(t, (&Record{DisplayName: "ab", Partner: "c"}).Fingerprint(), (&Record{DisplayName: "a", Partner: "cb"}).Fingerprint())
}

// change gives a field another value.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2027, 1, 2, 3, 4, 5, 6000, time.UTC)))
	case Period:
		v.Set(reflect.ValueOf(Days(3)))
	case Tenant:
		v.Set(reflect.ValueOf(Tenant{TenantID: "t", DisplayName: "T"}))
	case []string:
		v.Set(reflect.ValueOf([]string{"a", "b"}))
	case []RuleName:
		v.Set(reflect.ValueOf(RuleNames()))
	default:
		switch v.Kind() {
		case reflect.String:
			v.SetString("other")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		default:
			t.Fatalf("do not know how to change a %s", v.Type())
		}
	}
}
