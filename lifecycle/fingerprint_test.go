package lifecycle

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
