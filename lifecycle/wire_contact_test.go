package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const contactTenant = "aaaaaaaa-0000-4000-8000-00000000000a"

func TestContactIsReadInItsOneWayOfWriting(t *testing.T) {
	want := Contact{TenantID: contactTenant, Role: AdminAgents, Mail: "ann@example.com", DisplayName: "Ann",
		Language: "en-GB", TimeZone: "Asia/Tokyo", Digest: WeeklyDigest}
	for _, w := range []WireContact{
		{contactTenant, "adminAgent", "ann@example.com", "Ann", "en-GB", "Asia/Tokyo", "weekly"},
		{" " + strings.ToUpper(contactTenant), "Admin agent", " ann@example.com ", "Ann", "en_gb", " Asia/Tokyo", "Weekly "},
	} {
		got, faults := w.Contact()
		require.Empty(t, faults)
		require.Equal(t, want, got)
	}
}

func TestContactIsWrittenAsItIsRead(t *testing.T) {
	for _, c := range []Contact{
		{TenantID: contactTenant, Role: AdminAgents, Mail: "ann@example.com"},
		{TenantID: contactTenant, Role: GlobalAdministrators, Mail: "bob@example.com", DisplayName: "日本 \"B\"", Language: "zh-Hant-TW", TimeZone: "UTC", Digest: DailyDigest},
	} {
		w := c.Wire()
		again, faults := w.Contact()
		require.Empty(t, faults)
		require.Equal(t, c, again)
	}
	bare := Contact{}
	require.Equal(t, "none", bare.Wire().Digest, "that somebody wants no digest is said")
}

func TestColumnsAreTheFieldsOfTheJSON(t *testing.T) {
	var w WireContact
	for i, name := range ContactColumns {
		*w.Column(i) = name
	}
	text, err := json.Marshal(w)
	require.NoError(t, err)
	var fields map[string]string
	require.NoError(t, json.Unmarshal(text, &fields))
	require.Len(t, fields, len(ContactColumns))
	for _, name := range ContactColumns {
		require.Equal(t, name, fields[name])
	}
}

func TestFaultsOfAContact(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(w *WireContact)
		field string
		says  string
	}{
		"tenant no GUID":           {func(w *WireContact) { w.TenantID = "contoso.onmicrosoft.com" }, "tenantId", "is not a GUID"},
		"role unknown":             {func(w *WireContact) { w.Role = "helpdesk" }, "role", "is not a role that is told of anything"},
		"mail missing":             {func(w *WireContact) { w.Mail = "" }, "mail", "is missing"},
		"mail no address":          {func(w *WireContact) { w.Mail = "ann.example.com" }, "mail", "is not a mail address"},
		"mail with a name":         {func(w *WireContact) { w.Mail = "Ann <ann@example.com>" }, "mail", "is more than a bare mail address"},
		"mail in brackets":         {func(w *WireContact) { w.Mail = "<ann@example.com>" }, "mail", "is more than a bare mail address"},
		"two mails":                {func(w *WireContact) { w.Mail = "a@example.com, b@example.com" }, "mail", "is not a mail address"},
		"mail with a line end":     {func(w *WireContact) { w.Mail = "ann@example.com\r\nBcc: eve@example.com" }, "mail", "is not a mail address"},
		"mail that is turned":      {func(w *WireContact) { w.Mail = "ann\u202emoc@example.com" }, "mail", "contains the invisible character U+202E"},
		"mail too long":            {func(w *WireContact) { w.Mail = strings.Repeat("a", 250) + "@example.com" }, "mail", "is longer than the 254 characters"},
		"name with a line end":     {func(w *WireContact) { w.DisplayName = "Ann\nBcc: eve@example.com" }, "displayName", "control character U+000A"},
		"name too long":            {func(w *WireContact) { w.DisplayName = strings.Repeat("é", 257) }, "displayName", "has 257 characters"},
		"name not UTF-8":           {func(w *WireContact) { w.DisplayName = "M\xfcller" }, "displayName", "is not valid UTF-8"},
		"language no tag":          {func(w *WireContact) { w.PreferredLanguage = "Japanese!" }, "preferredLanguage", "is not a BCP 47 language tag"},
		"zone unknown":             {func(w *WireContact) { w.TimeZone = "Tokyo Standard Time" }, "timeZone", "is not a time zone of the IANA database"},
		"zone of this machine":     {func(w *WireContact) { w.TimeZone = "Local" }, "timeZone", "is not a time zone of the IANA database"},
		"zone outside of the tree": {func(w *WireContact) { w.TimeZone = "../../etc/passwd" }, "timeZone", "is not a time zone of the IANA database"},
		"digest unknown":           {func(w *WireContact) { w.Digest = "monthly" }, "digest", "is not how often digests are made; it is daily, weekly or none"},
	} {
		t.Run(name, func(t *testing.T) {
			w := WireContact{contactTenant, "adminAgent", "ann@example.com", "Ann", "ja", "Asia/Tokyo", "daily"}
			c.edit(&w)
			_, faults := w.Contact()
			require.Len(t, faults, 1)
			require.Equal(t, c.field, faults[0].Field)
			require.Contains(t, faults[0].Reason, c.says)
		})
	}
}

func TestFaultsOfAContactAreToldAtOnce(t *testing.T) {
	w := WireContact{"contoso", "helpdesk", "", "\x00", "?", "Mars", "now"}
	_, faults := w.Contact()
	require.Len(t, faults, len(ContactColumns))
	for i, f := range faults {
		require.Equal(t, ContactColumns[i], f.Field)
		require.Equal(t, *w.Column(i), f.Value)
	}
}

func TestLanguagesAreWrittenInTheirOwnCase(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ja": "ja", " JA ": "ja", "en-gb": "en-GB", "en_GB": "en-GB", "zh-hant-tw": "zh-Hant-TW", "ZH-HANT": "zh-Hant",
		"es-419": "es-419", "sl-rozaj-biske-1994": "sl-rozaj-biske-1994", "zh-yue-HK": "zh-yue-HK", "de-DE-u-co-phonebk": "de-DE-u-co-phonebk",
		"en-x-US": "en-x-us", "fil-PH": "fil-PH",
	} {
		got, err := readLanguage(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"j", "japanese", "en-", "-en", "en--GB", "en-GB-GB", "en-u", "ja JP", "日本", "en-GB-u-co-u", "x-private", "klingonese",
		"en-x-" + strings.Repeat("abcdefgh-", 10) + "i"} {
		_, err := readLanguage(in)
		require.ErrorContains(t, err, "is not a BCP 47 language tag", in)
	}
}

func TestRolesOfMicrosoftsPagesAreUnderstood(t *testing.T) {
	for in, want := range map[string]Role{"adminAgent": AdminAgents, "Admin agent": AdminAgents, "ADMINAGENT ": AdminAgents,
		"globalAdministrator": GlobalAdministrators, "Global Administrator": GlobalAdministrators} {
		got, err := ParseRole(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseRole("")
	require.EqualError(t, err, "is not a role that is told of anything; it is adminAgent or globalAdministrator")
}
