package access

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/socialpatra/keygate/internal/readers"
)

// backendRoutes are such that whoever takes a path for another one than it is
// finds another route: near most names there is a literal.
const backendRoutes = `
	GET /
	GET /v1/posts
	POST /v1/posts
	QUERY /v1/posts
	GET /v1/posts/drafts
	GET /v1/posts/{id}
	DELETE /v1/posts/{id}
	GET /v1/posts/{id}:publish
	GET /v1/posts/{id}/comments
	GET /v1/posts/{id}/comments/{comment}
	GET /v1/users/me
	GET /v1/users/me/Keys
	GET /v1/users/{id}
	GET /v1/{kind}/me
	GET /v1/{kind}/@all
	GET /v1/analytics/skill
	GET /v1/analytics/*
	POST /v1/ai/*
	PUT /v1/settings/
	GET /v1/assets/office
	GET /v1/assets/password
	GET /v1/assets/{id}
	GET /v1/reports/{id}
	GET /v1/reports/{id}.csv
	HEAD /v1/reports/{id}.csv
	GET /v1/compare/{base}...{head}
	GET /v1/compare/{base}
	* /v1/any/{x}
	GET /v1/any/special
	GET /files/Report.pdf
	GET /files/k@s
	GET /files/{name}
	GET /admin
	DELETE /admin/*`

// backends are all that serve backendRoutes, and gateways in front of them, to
// which some of the routes are written, some imported and some denied.
type backends struct {
	all      *readers.Backend
	routes   []Route
	ranks    [][]string
	gateways []*gateway
}

// gateway has the routes in the order of backendRoutes.
type gateway struct {
	table  *Table
	routes []Route
}

func newBackends(t testing.TB) *backends {
	t.Helper()
	b := &backends{routes: parseRoutes(backendRoutes)}
	var served []readers.Route
	for i := range b.routes {
		r := &b.routes[i]
		r.Source = strconv.Itoa(i)
		served = append(served, readers.Route{Method: r.Methods[0], Pattern: r.Pattern})
		b.ranks = append(b.ranks, slowRanks(r.Pattern))
	}
	b.all = readers.New(served)
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 12 {
		g := &gateway{routes: slices.Clone(b.routes)}
		for i := range g.routes {
			g.routes[i].Imported = n == 1 || n > 1 && random.IntN(2) == 0
			if n > 5 && random.IntN(4) == 0 {
				g.routes[i].Access = Denied
			}
		}
		g.table = mustTable(t, g.routes...)
		b.gateways = append(b.gateways, g)
	}
	return b
}

// check reports whether some gateway lets a request pass, and what is wrong with
// that. A backend serves the first route that it takes the path for, in the order
// in which the gateway has them. That is the one that the request was authorised
// as, but for imported ones: a written route is meant to take from them what it
// covers.
func (b *backends) check(method, path string) (passes bool, wrong *misread) {
	if CheckPath(path) != "" {
		return false, nil
	}
	var found []readers.Candidates
	for n, g := range b.gateways {
		authorised := g.table.Match(method, path)
		if authorised == nil || authorised.Access == Denied {
			continue
		}
		if !passes {
			passes, found = true, b.all.Find(method, path)
		}
		own, _ := strconv.Atoi(authorised.Source)
		for _, c := range found {
			served := slices.MinFunc(c.Routes, func(i, j int) int { return b.compare(g, method, i, j) })
			r := &g.routes[served]
			if served != own && (!r.Imported || authorised.Imported || !b.all.Covers(path, c, own)) {
				problem := fmt.Sprintf("gateway %d lets %s pass as %s; some backend serves %s (access %q, imported: %t): %s",
					n, method, authorised, r, r.Access, r.Imported, b.all.Describe(path, c))
				return true, &misread{problem, b.all.Steps(path, c)}
			}
		}
	}
	return passes, nil
}

// misread is a request that is served as another route than it passed as.
type misread struct{ problem, steps string }

// compare orders two routes that one reader finds for a path: written ones come
// first, then the more specific one, then the method's own.
func (b *backends) compare(g *gateway, method string, i, j int) int {
	imported := func(i int) int {
		if g.routes[i].Imported {
			return 1
		}
		return 0
	}
	preference := func(i int) int { return readers.Preference(method, g.routes[i].Methods[0]) }
	return cmp.Or(cmp.Compare(imported(i), imported(j)), slices.Compare(b.ranks[i], b.ranks[j]), cmp.Compare(preference(i), preference(j)))
}

// What is authorised as one route is served as no other one by any backend,
// whatever it makes of the path.
func TestBackends(t *testing.T) {
	b := newBackends(t)
	requests := backendRequests()
	passed := 0
	misreads := make(map[string]int) // by the steps of the reader
	for _, r := range requests {
		passes, wrong := b.check(r.method, r.path)
		if passes {
			passed++
		}
		if wrong != nil {
			if misreads[wrong.steps]++; misreads[wrong.steps] == 1 {
				t.Error(wrong.problem)
			}
		}
	}
	if len(misreads) > 0 || passed < 3000 {
		t.Errorf("%d of %d requests pass; misread are, by what readers do: %v", passed, len(requests), misreads)
	}
}

func FuzzBackends(f *testing.F) {
	for i, r := range backendRequests() {
		if i%50 == 0 {
			f.Add(r.method, r.path)
		}
	}
	b := newBackends(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		if len(path) > 200 {
			return
		}
		if _, wrong := b.check(method, path); wrong != nil {
			t.Error(wrong.problem)
		}
	})
}
