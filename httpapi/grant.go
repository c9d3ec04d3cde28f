package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Grant is what a name in somebody's token makes of them here: a role in their tenant, or an operator who may do so much. The zero Grant
// is nothing.
type Grant struct {
	Role   lifecycle.Role
	Scopes []string // of an operator
}

// ParseGrant reads a grant as settings write it: adminAgent, globalAdministrator, reader; operator, who may do everything; or
// operator:read, and with more than one scope operator:read+sweep. The error says what there is.
func ParseGrant(text string) (Grant, error) {
	name, scopes, limited := strings.Cut(text, ":")
	role := lifecycle.Role(name)
	if !slices.Contains(lifecycle.CallerRoles, role) {
		return Grant{}, fmt.Errorf("there is no role %q; the roles are %v", name, lifecycle.CallerRoles)
	}
	if role != lifecycle.Operator {
		if limited {
			return Grant{}, fmt.Errorf("a role in a tenant has no scopes, and %q has %q; write %s", text, scopes, name)
		}
		return Grant{Role: role}, nil
	}
	if !limited {
		return Grant{role, []string{string(ScopeManage)}}, nil
	}
	g := Grant{Role: role}
	for scope := range strings.SplitSeq(scopes, "+") {
		if !slices.Contains(Scopes, Scope(scope)) {
			return Grant{}, fmt.Errorf("there is no scope %q; the scopes are %v, more than one as operator:read+sweep", scope, Scopes)
		}
		g.Scopes = append(g.Scopes, scope)
	}
	return g, nil
}

// grants are what the names in a token make of its bearer: what the settings say, or a grant by its own name.
func (v *OIDCVerifier) grants(names []string) (all []Grant) {
	for _, name := range names {
		g, known := v.roles[name]
		if !known {
			var err error
			if g, err = ParseGrant(name); err != nil {
				continue // a name that means something elsewhere
			}
		}
		all = append(all, g)
	}
	return all
}

// scopesOf are those that the grants hold together, each once.
func scopesOf(grants []Grant) (scopes []string) {
	for _, g := range grants {
		scopes = append(scopes, g.Scopes...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// namesIn are the names that a claim holds: a list of them, or one by itself. The claim is called by its name; where there is none of that
// name, the dots in it lead into claims, as in realm_access.roles.
func namesIn(claims map[string]any, claim string) []string {
	value, there := claims[claim]
	if !there {
		outer, inner, nested := strings.Cut(claim, ".")
		if within, is := claims[outer].(map[string]any); nested && is {
			return namesIn(within, inner)
		}
		return nil
	}
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		var names []string
		for _, one := range value {
			if name, is := one.(string); is {
				names = append(names, name)
			}
		}
		return names
	}
	return nil
}
