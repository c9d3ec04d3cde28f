package lifecycle

import "time"

// A Filter says which relationships are wanted. It is one of [All], [Any], [Not], [Compare] and [Among]; nil wants all of them.
//
// Every filter is true or false of every record: what a record does not have equals nothing but null, and is neither less nor
// greater than anything; lt or eq is what le means, and gt or eq ge. Source: OData 4.01, part 2, section 5.1.1.1.
type Filter interface{ filter() }

// All wants what every one of its filters wants: without any, everything.
type All []Filter

// Any wants what at least one of its filters wants: without any, nothing.
type Any []Filter

// Not wants what its filter does not.
type Not struct{ Filter Filter }

// Compare wants the records whose field compares so to the value.
type Compare struct {
	Field Field
	By    Comparison
	Value Value
}

// Among wants the records whose field is one of the values.
type Among struct {
	Field  Field
	Values []Value
}

func (All) filter()     {}
func (Any) filter()     {}
func (Not) filter()     {}
func (Compare) filter() {}
func (Among) filter()   {}

// A Comparison is how two values compare.
type Comparison string

// The comparisons, as OData writes them.
const (
	Equal          Comparison = "eq"
	NotEqual       Comparison = "ne"
	Less           Comparison = "lt"
	LessOrEqual    Comparison = "le"
	Greater        Comparison = "gt"
	GreaterOrEqual Comparison = "ge"
	StartsWith     Comparison = "startswith" // of text
	Contains       Comparison = "contains"   // of text
)

// A Value is what a field is compared to, in the way that suits the field's kind. The zero time of an instant is null.
type Value struct {
	Text string    // canonical: ids in lower case, periods as [Period.String] writes them; names as they were given
	At   time.Time // of an instant
	Flag bool      // of a flag
}

// A Field is what can be asked of a relationship, by its path in the wire form.
type Field string

// The fields.
const (
	FieldID           Field = "id"
	FieldName         Field = "displayName"
	FieldDuration     Field = "duration"
	FieldAutoExtend   Field = "autoExtendDuration"
	FieldStatus       Field = "status"
	FieldPartner      Field = "partner/tenantId"
	FieldCustomer     Field = "customer/tenantId"
	FieldCustomerName Field = "customer/displayName"
	FieldCreated      Field = "createdDateTime"
	FieldModified     Field = "lastModifiedDateTime"
	FieldLocked       Field = "lockedDateTime"
	FieldActivated    Field = "activatedDateTime"
	FieldEnd          Field = "endDateTime"
	FieldNameReleased Field = "nameReleased"
	FieldNext         Field = "nextRule" // the rule of the next timer; ours, and for lists of operators
)

// A FieldKind is what the values of a field are, and so how they compare.
type FieldKind int

// The kinds of fields.
const (
	KindID      FieldKind = iota // compares in lower case; "" is null
	KindName                     // compares as names do: accents put together in one way, upper and lower case the same; "" is null
	KindEnum                     // one of a list of words: eq, ne, in only
	KindPeriod                   // by value: eq, ne, in only
	KindSwitch                   // autoExtendDuration: on or off, in Value.Flag: eq, ne, in only
	KindInstant                  // may be null
	KindFlag                     // true or false: eq, ne, in only
	KindText                     // compares byte by byte, so that upper and lower case differ; "" is null
)

// FieldKinds says of each field what it is.
var FieldKinds = map[Field]FieldKind{
	FieldID: KindID, FieldName: KindName, FieldDuration: KindPeriod, FieldAutoExtend: KindSwitch, FieldStatus: KindEnum,
	FieldPartner: KindID, FieldCustomer: KindID, FieldCustomerName: KindText, FieldCreated: KindInstant, FieldModified: KindInstant,
	FieldLocked: KindInstant, FieldActivated: KindInstant, FieldEnd: KindInstant, FieldNameReleased: KindFlag, FieldNext: KindEnum,
}

// An Order is a field to sort by: names as they compare, all other text byte by byte, false before true. What has no value comes
// first, or last where it is descending.
type Order struct {
	Field      Field
	Descending bool
}

// A Cursor is a place in a sorted list: the values of the fields that it is sorted by, and the key, of the last one seen.
type Cursor struct {
	Values []Value
	Key    int64
}

// A RelationshipQuery says which relationships are wanted, and in which order. The zero query wants all of them, by key, which
// is the order in which they came in.
type RelationshipQuery struct {
	Filter Filter
	Order  []Order
	After  *Cursor // the last one on the page before; nil: from the beginning
	Limit  int     // at most so many; 0: no limit
}

// Cursor is the place of a record in the order of the query.
func (q *RelationshipQuery) Cursor(s *Stored) *Cursor {
	c := &Cursor{Key: s.Key}
	for _, o := range q.Order {
		c.Values = append(c.Values, s.Value(o.Field))
	}
	return c
}

// Value is the record's value of a field that lists are sorted by.
func (r *Record) Value(f Field) Value {
	switch f {
	case FieldID:
		return Value{Text: r.ID}
	case FieldName:
		return Value{Text: r.DisplayName}
	case FieldStatus:
		return Value{Text: string(r.Status)}
	case FieldDuration:
		return Value{Text: r.Duration.String()}
	case FieldAutoExtend:
		return Value{Flag: r.AutoExtend}
	case FieldPartner:
		return Value{Text: r.Partner}
	case FieldCustomer:
		return Value{Text: r.Customer.TenantID}
	case FieldCustomerName:
		return Value{Text: r.Customer.DisplayName}
	case FieldCreated:
		return Value{At: r.Created}
	case FieldModified:
		return Value{At: r.Modified}
	case FieldLocked:
		return Value{At: r.Locked}
	case FieldActivated:
		return Value{At: r.Activated}
	case FieldEnd:
		return Value{At: r.End}
	case FieldNameReleased:
		return Value{Flag: !r.NameReleased.IsZero()}
	}
	return Value{}
}

// A CustomerQuery says which customers are wanted: those with a relationship that the filter wants.
type CustomerQuery struct {
	Filter Filter // of relationships
	After  string // tenant id of the last one on the page before
	Limit  int    // at most so many; 0: no limit
}

// A TenantSize is how many relationships a tenant has, and what it is called as a customer.
type TenantSize struct {
	TenantID     string
	CustomerName string // empty: nobody has said so
	AsPartner    int64
	AsCustomer   int64
}
