package openapi

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/internal/goldentest"
)

// The documents are to the shape of large public ones, and say at their head of
// which. Each is read as a gateway would, and its golden has a line for what it
// says of the scheme and one for each operation, or the error.
func TestForeign(t *testing.T) {
	tests := map[string]struct { // by the golden file
		file   string
		scheme string
	}{
		"split":       {file: "split/openapi.yaml"},
		"operations":  {file: "split/operations.yaml"},
		"cluster":     {file: "cluster.json"},
		"payments":    {file: "payments.yaml"},
		"jobs":        {file: "jobs.yaml", scheme: "Oauth2c"},
		"pets_key":    {file: "pets.yaml", scheme: "kennel_key"},
		"pets_oauth2": {file: "pets.yaml", scheme: "kennel_auth"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			golden := filepath.Join("testdata", name+".golden")
			document, err := Read(filepath.Join("testdata", tt.file), Options{Scheme: tt.scheme})
			if err != nil {
				goldentest.Check(t, golden, err.Error()+"\n")
				return
			}
			if _, err := access.NewTable(document.Routes()); err != nil {
				t.Errorf("the routes make no table: %v", err)
			}
			goldentest.Check(t, golden, describe(document))
		})
	}
}

// Two schemes that can be the key's are not chosen between.
func TestForeignAmbiguousScheme(t *testing.T) {
	for file, schemes := range map[string][2]string{
		"pets.yaml": {"kennel_auth", "kennel_key"},
		"jobs.yaml": {"Oauth2", "Oauth2c"},
	} {
		t.Run(file, func(t *testing.T) {
			document, err := Read(filepath.Join("testdata", file), Options{})
			if err == nil {
				t.Fatalf("reads as\n%s", describe(document))
			}
			for _, want := range []string{file + ":", schemes[0], schemes[1], "scheme <name>"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Read = %v, want %q in it", err, want)
				}
			}
		})
	}
}

// describe writes a line of the scheme, and one for each operation:
//
//	scheme pets.yaml:182, header Kennel_key
//	GET /v3/animal read:animals 1 pets.yaml:33
//	GET /v3/shop: no_security pets.yaml:40: neither the operation …
func describe(document *Document) string {
	var b strings.Builder
	b.WriteString("scheme " + document.SchemeSource)
	if document.KeyHeader != "" {
		b.WriteString(", header " + document.KeyHeader)
	}
	for i, declared := range document.Declared {
		b.WriteString([]string{", declares ", " "}[min(i, 1)] + declared.Scope)
	}
	b.WriteByte('\n')
	for i := range document.Operations {
		op := &document.Operations[i]
		for _, r := range op.Remarks {
			fmt.Fprintf(&b, "%s %s: %s %s: %s\n", op.Method, op.Path, r.Kind, r.Source, r.Text)
		}
		if op.Problem != nil {
			fmt.Fprintf(&b, "%s %s: %s %s: %s\n", op.Method, op.Path, op.Problem.Kind, op.Source, op.Problem.Text)
			continue
		}
		r := op.Route
		needs := string(r.Access)
		if r.Access == access.Scoped {
			needs = r.Scopes.String()
		}
		fmt.Fprintf(&b, "%s %s %d %s", r, needs, max(r.Cost, 1), r.Source)
		if r.WebSocket {
			b.WriteString(" websocket")
		}
		b.WriteByte('\n')
	}
	return b.String()
}
