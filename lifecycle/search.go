package lifecycle

// A CustomerSearch looks for customers by the names that relationships have for them: first comes every one whose name begins with one of some
// texts, which an index finds; behind them, those whose name has another text anywhere. Either part is in the order of the names, byte by byte.
type CustomerSearch struct {
	Begins []string       // with one of these, as they are written
	Has    string         // anywhere, in upper or lower case; empty: only those that begin so are wanted
	After  *FoundCustomer // where the page before ended; nil: from the beginning
	Limit  int            // at most so many
	Look   int            // at most so many relationships, or a few more, are looked at for names that have the text somewhere; 0: as many as it takes
}

// A FoundCustomer is a customer by one of its names. Of a customer that goes by two names, both may be found.
type FoundCustomer struct {
	Tenant
	Begins bool // the name begins so
}

// A MailSearch looks for contacts by how their address begins, or what it has behind the @. An index finds either.
type MailSearch struct {
	Begins string // in upper or lower case
	Domain bool   // it is the part behind the @ that begins so
	Limit  int    // at most so many
}
