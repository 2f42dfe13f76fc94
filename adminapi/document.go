package adminapi

import (
	"net/http"

	_ "embed" // the document
)

//go:embed openapi.yaml
var document []byte

// Document returns the OpenAPI document of the API, as it is served. It must not
// be changed.
func Document() []byte { return document }

// yaml is an answer in YAML (RFC 9512).
type yaml []byte

func (*call) document(*http.Request) (any, int, error) {
	return yaml(document), http.StatusOK, nil
}
