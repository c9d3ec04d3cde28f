package graph

import (
	_ "embed" // the description goes into the binary
	"net/http"
)

//go:embed openapi.yaml
var description []byte

// getDescription answers with what there is, for programs.
func (x *exchange) getDescription() (answer, error) {
	x.header.Set("Content-Type", "application/yaml")
	return answer{http.StatusOK, description}, nil
}
