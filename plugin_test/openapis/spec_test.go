package openapis

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// spec is what a document says of who may call what, as the library reads it.
type spec struct {
	operations []*operation
	carriers   []string        // the schemes that a key can be sent for and that operations name
	doubts     map[string]bool // what docs/openapi.md refuses a document for
}

// operation is a method of a path.
type operation struct {
	method string
	path   string // as the document has it
	base   string // the path of the servers
	asked  bool   // the operation or the document has security
	needs  []map[string][]string
}

// parse reads a document by the library.
func parse(data []byte) (*spec, error) {
	config := datamodel.NewDocumentConfiguration()
	config.SkipCircularReferenceCheck = true // that is about schemas
	document, err := libopenapi.NewDocumentWithConfiguration(data, config)
	if err != nil {
		return nil, fmt.Errorf("the library cannot read the document: %w", err)
	}
	defer document.Release()
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("the library cannot understand the document: %w", err)
	}
	s := &spec{doubts: make(map[string]bool)}
	s.fill(&model.Model)
	if len(data) > 32<<20 {
		s.doubts["more than 32 MiB"] = true
	}
	return s, nil
}

func (s *spec) fill(d *v3.Document) {
	// The library makes nothing of security: [] of a document, but keeps that it
	// is there.
	asked, needs := !d.GoLow().Security.IsEmpty(), requirements(d.Security)
	if d.Paths != nil {
		for path, item := range d.Paths.PathItems.FromOldest() {
			if !strings.HasPrefix(path, "/") {
				s.doubts["a path without a slash"] = true
			}
			for method, o := range item.GetOperations().FromOldest() {
				op := &operation{method: strings.ToUpper(method), path: path, asked: asked, needs: needs}
				if o.Security != nil {
					op.asked, op.needs = true, requirements(o.Security)
				}
				op.base = s.basePath(o.Servers, item.Servers, d.Servers)
				s.operations = append(s.operations, op)
			}
		}
	}
	if len(s.operations) == 0 {
		s.doubts["no operation"] = true
	}
	s.findCarriers(d, needs)
}

func requirements(list []*base.SecurityRequirement) (needs []map[string][]string) {
	for _, r := range list {
		needs = append(needs, maps.Collect(r.Requirements.FromOldest()))
	}
	return needs
}

// findCarriers follows "The scheme is one of these: http with scheme: bearer,
// apiKey in a header, oauth2, openIdConnect".
func (s *spec) findCarriers(d *v3.Document, ofDocument []map[string][]string) {
	named := make(map[string]bool)
	note := func(needs []map[string][]string) {
		for _, need := range needs {
			for scheme := range need {
				named[scheme] = true
			}
		}
	}
	note(ofDocument)
	for _, op := range s.operations {
		note(op.needs)
	}
	if d.Components == nil || d.Components.SecuritySchemes == nil {
		s.doubts["a scheme that is not declared"] = len(named) > 0
		return
	}
	for name, scheme := range d.Components.SecuritySchemes.FromOldest() {
		if !named[name] {
			continue
		}
		delete(named, name)
		switch scheme.Type {
		case "http":
			if !strings.EqualFold(scheme.Scheme, "bearer") {
				continue
			}
		case "apiKey":
			if scheme.In != "header" || scheme.Name == "" {
				continue
			}
		case "oauth2", "openIdConnect":
		default:
			continue
		}
		s.carriers = append(s.carriers, name)
	}
	s.doubts["a scheme that is not declared"] = len(named) > 0
}

// basePath follows "servers of an operation or of a path take precedence over
// those of the document".
func (s *spec) basePath(levels ...[]*v3.Server) (path string) {
	for _, servers := range levels {
		for i, server := range servers {
			p, err := serverPath(server)
			if err != nil {
				s.doubts["a server without a path"] = true
			}
			if i > 0 && p != path {
				s.doubts["servers whose paths differ"] = true
			}
			path = p
		}
		if len(servers) > 0 {
			break
		}
	}
	return path
}

var (
	errVariable = errors.New("a variable without a default")
	errRelative = errors.New("no host, and no path from the root")

	variable = regexp.MustCompile(`\{[^{}]*\}`)
)

func serverPath(server *v3.Server) (string, error) {
	var err error
	text := variable.ReplaceAllStringFunc(server.URL, func(name string) string {
		if server.Variables != nil {
			if v, ok := server.Variables.Get(name[1 : len(name)-1]); ok && v.Default != "" {
				return v.Default
			}
		}
		err = errVariable
		return ""
	})
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.Opaque != "" || u.Host == "" && !strings.HasPrefix(u.Path, "/") {
		return "", errRelative
	}
	return strings.TrimRight(u.EscapedPath(), "/"), nil
}
