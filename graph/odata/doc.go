// Package odata reads what a caller writes behind $filter, $orderby, $select and $skiptoken: the part of OData 4.01 that lists
// of relationships understand. What it does not understand it refuses, with the place and the next step; it never guesses and
// never passes anything over.
package odata
