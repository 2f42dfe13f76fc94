package adminapi

import (
	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// Gateway is what those who administer a config need of one of its handlers.
type Gateway struct {
	Policy    access.Policy // without Keys, which only the open store has
	Documents []*openapi.Document
	Header    string // that may carry a token as well
}
