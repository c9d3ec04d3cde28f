package graph

import (
	"context"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Store is what the API reads of a database, and writes. It may be called from many goroutines.
type Store interface {
	// Relationships lists relationships in the order of the query.
	Relationships(ctx context.Context, q lifecycle.RelationshipQuery) ([]lifecycle.Stored, error)

	// CountRelationships counts those that the filter wants.
	CountRelationships(ctx context.Context, f lifecycle.Filter) (int64, error)

	// Relationship reads one as it is stored; [lifecycle.ErrNotFound].
	Relationship(ctx context.Context, id string) (lifecycle.Stored, error)

	// Case reads one with all of its assignments, as they stood at one moment; [lifecycle.ErrNotFound].
	Case(ctx context.Context, id string) (lifecycle.Case, error)

	// CreateRelationship writes what decide makes of the partner's standing; a *[lifecycle.NameHeld] where the name is taken.
	CreateRelationship(ctx context.Context, partner string, p *lifecycle.Policy, decide func(lifecycle.Standing) (lifecycle.Decision, error)) (lifecycle.Decision, error)

	// Act writes what decide makes of a relationship that nobody else changes meanwhile. [lifecycle.ErrNotFound]; a
	// *[lifecycle.NameHeld] where it has got a name that is taken; the error of decide, which may be called again.
	Act(ctx context.Context, id string, p *lifecycle.Policy, decide func(lifecycle.Case) (lifecycle.Decision, error)) (lifecycle.Decision, error)

	// Customers lists the customers of relationships, by tenant id.
	Customers(ctx context.Context, q lifecycle.CustomerQuery) ([]lifecycle.Tenant, error)

	// Activity lists events.
	Activity(ctx context.Context, q lifecycle.ActivityQuery) ([]lifecycle.Event, error)

	// RecordRefusal keeps what somebody asked for and did not get.
	RecordRefusal(ctx context.Context, r lifecycle.RefusedRequest) error
}
