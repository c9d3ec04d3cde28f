package console

import "net/http"

// addAct adds something that people confirm before it is done: a page that asks, and what the form there does. do answers with the page
// to go to and what to tell there; where it is refused, the page asks again.
func (c *Console) addAct(path, scope string, ask func(v *visit) (confirmation, error), do func(v *visit, reason string) (next, told string, err error)) {
	c.form(path, scope, func(v *visit) error {
		q, err := ask(v)
		if err != nil {
			return err
		}
		return v.confirm(q)
	})
	c.post(path, scope, func(v *visit) error {
		q, err := ask(v)
		if err != nil {
			return err
		}
		reason, next, told := "", "", ""
		if q.Reason {
			reason, err = v.reason()
		}
		if err == nil {
			next, told, err = do(v, reason)
			c.glance.forget()
		}
		if err != nil {
			return v.confirmAgain(q, err)
		}
		return v.done(next, told)
	})
}

// needs refuses who lacks the scope.
func (v *visit) needs(scope string) error {
	if v.Session.May(scope) {
		return nil
	}
	return &refusal{http.StatusForbidden, v.T("error.scope", "scope", scope, "name", v.Session.Caller.Name)}
}
