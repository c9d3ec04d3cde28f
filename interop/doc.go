// Package interop drives the built program with msgraph-sdk-go, Microsoft's own client for Graph, as somebody would who changes the
// base URL and the token of what they have, and nothing else.
//
// Nothing of ours is imported: what the program cannot be asked on its command line or over HTTP is not known here. docs/interop.md
// says what is tested, and what that client does that a server has to know.
package interop
