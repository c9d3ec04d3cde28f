package httpapi

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const aHold = `{"kind":"relationship","subject":"%s","note":"a court asks"}`

func TestHoldIsPlacedShownAndReleased(t *testing.T) {
	w := recordsWorld(t)
	answer := w.do("POST", holdsPath, fmt.Sprintf(aHold, activeID))
	require.Equal(t, 201, answer.status, "%s", answer.body)
	require.Equal(t, "/v1/holds/1", answer.header.Get("Location"))
	require.JSONEq(t, `{"id":1,"kind":"relationship","subject":"`+activeID+`","cause":null,"note":"a court asks","active":true,
		"placedDateTime":"`+lifecycle.FormatInstant(noon)+`","placedBy":"operator","releasedDateTime":null,"releasedBy":null,"releaseNote":null}`, string(answer.body))
	require.Contains(t, w.do("POST", holdsPath, fmt.Sprintf(aHold, activeID)).problem(heldAlready).Detail, "hold 1, which operator placed on")

	var shown Relationship
	w.customerOf(contoso).do("GET", customerPath+"/"+activeID, "").read(&shown)
	require.True(t, shown.OnHold)
	var list RelationshipList
	w.customerOf(contoso).do("GET", customerPath, "").read(&list)
	require.Equal(t, []bool{true, false}, []bool{list.Relationships[0].OnHold, list.Relationships[1].OnHold})

	var holds HoldList
	w.do("GET", holdsPath+"?kind=tenant", "").read(&holds)
	require.Empty(t, holds.Holds)
	w.do("GET", holdsPath+"?subject="+activeID, "").read(&holds)
	require.Len(t, holds.Holds, 1)

	var released Hold
	w.do("POST", "/v1/holds/1/release", `{"note":"the court has decided"}`).read(&released)
	require.False(t, released.Active)
	require.Equal(t, "the court has decided", *released.ReleaseNote)
	w.do("POST", "/v1/holds/1/release", `{"note":"again"}`).problem(holdReleased)
	w.do("POST", "/v1/holds/7/release", `{"note":"x"}`).problem(unknownHold)
	w.do("GET", holdsPath, "").read(&holds)
	require.Empty(t, holds.Holds)
	w.do("POST", holdsPath, fmt.Sprintf(aHold, activeID))
	w.do("GET", holdsPath+"?active=false&limit=1", "").read(&holds)
	require.Equal(t, holdsPath+"?active=false&before=2&limit=1", holds.Next)
	var last HoldList
	w.do("GET", holds.Next, "").read(&last)
	require.EqualValues(t, 1, last.Holds[0].ID)
	require.Empty(t, last.Next)
}

func TestActionOnWhatIsOnHoldIsRefused(t *testing.T) {
	w := recordsWorld(t)
	w.do("POST", holdsPath, `{"kind":"tenant","subject":"`+contoso+`","note":"a court asks"}`)
	w.server.now = func() time.Time { return noon.AddDate(0, 6, 0) } // the request has lapsed meanwhile
	p := w.customerOf(contoso).do("POST", customerPath+"/"+pendingID+"/approve", "").problem(actionRefused)
	require.Contains(t, p.Detail, "is on hold")
	require.Contains(t, p.Detail, "expire-pending")
	require.EqualValues(t, lifecycle.OnHold, w.fake.refusals[len(w.fake.refusals)-1].Code)
}

func TestHoldsAreForOperators(t *testing.T) {
	w := recordsWorld(t)
	for _, by := range []*world{w.agentOf(partner), w.customerOf(contoso), w.readerOf(partner)} {
		by.do("GET", holdsPath, "").problem(roleMissing)
		by.do("POST", holdsPath, fmt.Sprintf(aHold, activeID)).problem(roleMissing)
	}
	looks := w.as(w.newToken("looks", ScopeRead))
	require.Equal(t, 200, looks.do("GET", holdsPath, "").status)
	looks.do("POST", holdsPath, fmt.Sprintf(aHold, activeID)).problem(scopeMissing)
	looks.do("POST", "/v1/holds/1/release", `{"note":"x"}`).problem(scopeMissing)
}

func TestHoldThatWillNotDoIsRefused(t *testing.T) {
	w := recordsWorld(t)
	for body, kind := range map[string]kind{
		``: badValue, `{}`: badValue, `[]`: badValue,
		`{"kind":"world","note":"x"}`:                                  badValue,
		`{"kind":"rule","subject":"end-terms","note":"x"}`:             badValue,
		`{"kind":"tenant","subject":"Contoso","note":"x"}`:             badValue,
		`{"kind":"relationship","note":"x"}`:                           badValue,
		`{"kind":"everything","subject":"all","note":"x"}`:             badValue,
		`{"kind":"everything"}`:                                        badValue,
		`{"kind":"everything","note":" "}`:                             badValue,
		`{"kind":"everything","note":"x","until":"tomorrow"}`:          unknownField,
		`{"kind":"relationship","subject":"no such one","note":"x"}`:   unknownRecord,
		`{"kind":"relationship","subject":"` + draftID + `","note":1}`: badValue,
	} {
		w.do("POST", holdsPath, body).problem(kind)
	}
	w.do("POST", "/v1/holds/1/release", ``).problem(badValue)
	w.do("POST", "/v1/holds/1/release", `{"note":""}`).problem(badValue)
}

// holdExchanges are those of the operations about holds.
func holdExchanges() []exchange {
	held := func(w *world) {
		records(w)
		_, err := w.fake.PlaceHold(w.Context(), lifecycle.Hold{Kind: lifecycle.HoldRule, Subject: string(lifecycle.EndTerm), Note: "x"},
			lifecycle.Caller{Name: "operator", Role: lifecycle.Operator}, noon)
		require.NoError(w, err)
	}
	released := func(w *world) {
		held(w)
		_, err := w.fake.ReleaseHold(w.Context(), 1, "x", lifecycle.Caller{Name: "operator", Role: lifecycle.Operator}, noon, noon)
		require.NoError(w, err)
	}
	all := []exchange{
		{operation: "listHolds", want: 200, method: "GET", path: holdsPath + "?active=false", before: released},
		{operation: "listHolds", want: 422, method: "GET", path: holdsPath + "?kind=x"},
		{operation: "getHold", want: 200, method: "GET", path: holdsPath + "/1", before: held},
		{operation: "getHold", want: 404, method: "GET", path: holdsPath + "/2", before: held},
		{operation: "getHold", want: 422, method: "GET", path: holdsPath + "/x"},
		{operation: "placeHold", want: 404, method: "POST", path: holdsPath, body: fmt.Sprintf(aHold, "x"), before: records},
		{operation: "placeHold", want: 409, method: "POST", path: holdsPath, body: `{"kind":"rule","subject":"end-term","note":"x"}`, before: held},
		{operation: "releaseHold", want: 404, method: "POST", path: holdsPath + "/2/release", body: `{"note":"x"}`, before: held},
		{operation: "releaseHold", want: 409, method: "POST", path: holdsPath + "/1/release", body: `{"note":"x"}`, before: released},
	}
	all = append(all, bodies(exchange{operation: "placeHold", want: 201, method: "POST", path: holdsPath, before: records, body: fmt.Sprintf(aHold, activeID)})...)
	return append(all, bodies(exchange{operation: "releaseHold", method: "POST", path: holdsPath + "/1/release", before: held, body: `{"note":"x"}`})...)
}
