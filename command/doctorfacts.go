package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/doctor"
	"github.com/socialpatra/keygate/keystore"
)

// Largest answers that are read, in bytes.
const (
	maxConfig  = 64 << 20
	maxMetrics = 16 << 20
)

// findGateway collects what the admin endpoint and the config on disk tell. What
// cannot be had is left out, and the checks say so.
func (c *cli) findGateway(ctx context.Context, api *client.Client) (*doctor.Gateway, error) {
	g := &doctor.Gateway{Now: c.Now(), Admin: doctor.Admin{Keys: -1}}
	if c.target.db != "" {
		if _, err := c.target.place(); err != nil {
			return nil, err
		}
		path, err := filepath.Abs(c.target.db)
		g.StorePath, g.Flags = path, " --db "+doctor.Quote(path)
		return g, err
	}
	if c.target.config != "" || c.target.address == "" {
		c.readConfigFile(&g.Config) // one in this folder is none of a gateway that is named
	} else {
		g.Config.Reload = "systemctl reload keygate"
	}
	address, err := c.target.adminAddress()
	if err != nil && c.target.address == "" && g.Config.Broken != "" {
		g.Admin.Guessed = true
		address, err = caddycmd.DetermineAdminAPIAddress("", nil, "", "") // Caddy's default
	}
	if err != nil {
		return nil, err
	}
	place, err := endpointOf(address)
	if err != nil {
		return nil, err
	}
	g.Admin.Name, g.Admin.Network, g.Admin.Host = place.Name, place.Network, place.Host
	switch {
	case c.target.address != "":
		g.Flags = " --address " + doctor.Quote(c.target.address)
	case c.target.config != "":
		g.Flags = " --config " + doctor.Quote(c.target.config)
	}
	api.Find = func() (client.Place, error) { return place, nil }
	api.Silent = true
	q := inquiry{ctx, api, g}
	q.health(c.Now)
	q.running()
	c.readSites(g)
	q.routes()
	q.store()
	return g, nil
}

// inquiry asks the admin endpoint.
type inquiry struct {
	ctx context.Context
	api *client.Client
	g   *doctor.Gateway
}

func (q *inquiry) get(path string, out any) error {
	return q.api.Call(q.ctx, http.MethodGet, path, nil, out)
}

func (q *inquiry) health(now func() time.Time) {
	a := &q.g.Admin
	asked := now()
	resp, err := q.api.Send(q.ctx, http.MethodGet, adminapi.HealthPath, client.Payload{})
	if err != nil {
		var refused *client.RefusalError
		a.Answers = errors.As(err, &refused)
		if a.Answers || !client.IsUnreachable(err) {
			a.Problem = err.Error()
		}
		return
	}
	defer resp.Body.Close()
	var answer adminapi.HealthResponse
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxMetrics)).Decode(&answer); err != nil {
		a.Problem = "what answers at " + a.Name + " is no gateway: its health is no JSON"
		return
	}
	a.Answers, a.Warning, a.NotEnforced, a.Schema = true, answer.Failure(), answer.NotEnforced, answer.Store.Schema
	q.g.StorePath, q.g.Fleet = answer.Store.Place, answer.Store.Kind == "redis" // "" of older gateways
	// The date was set while the answer was made, and has no fractions.
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		switch answered := now(); {
		case date.Before(asked.Add(-time.Second)):
			a.Date = date.Sub(asked)
		case date.After(answered):
			a.Date = date.Sub(answered)
		}
	}
}

func (q *inquiry) running() {
	if !q.g.Admin.Answers {
		return
	}
	resp, err := q.api.Send(q.ctx, http.MethodGet, "/config/", client.Payload{})
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxConfig)).Decode(&q.g.Config.Running) // nil: not known
}

// store asks for what the store has, and in a fleet for what the metrics say of
// the engine.
func (q *inquiry) store() {
	a := &q.g.Admin
	if !a.Answers || a.Problem != "" {
		a.Unread, a.Untimed = a.Problem, a.Problem
		return
	}
	if q.g.Fleet {
		q.metrics()
		if a.Untimed = a.Warning; a.Warning == "" { // what it cannot answer, it would log and count as errors
			q.times()
		}
		return
	}
	q.times()
	var records adminapi.CheckResponse
	q.api.TakesLong = true
	defer func() { q.api.TakesLong = false }()
	if err := q.get(adminapi.CheckPath, &records); err != nil {
		a.Unread = err.Error()
		return
	}
	a.Keys, a.Damaged = records.Keys, len(records.Damaged)
}

// times looks for the latest time in the last changes, and in the first keys.
func (q *inquiry) times() {
	a := &q.g.Admin
	limit := "?limit=" + strconv.Itoa(keystore.MaxPage)
	var audit adminapi.AuditResponse
	var keys adminapi.ListResponse
	if err := errors.Join(q.get(adminapi.AuditPath+limit, &audit), q.get(adminapi.KeysPath+limit, &keys)); err != nil {
		a.Untimed = err.Error()
	}
	for i := range audit.Entries {
		a.Newest = later(a.Newest, &audit.Entries[i].At)
	}
	for i := range keys.Keys {
		a.Newest = later(later(a.Newest, &keys.Keys[i].CreatedAt), keys.Keys[i].LastUsedAt)
	}
}

func later(t time.Time, other *time.Time) time.Time {
	if other != nil && other.After(t) {
		return *other
	}
	return t
}

func (q *inquiry) metrics() {
	resp, err := q.api.Send(q.ctx, http.MethodGet, "/metrics", client.Payload{})
	if err != nil {
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "caddy_keygate_clock_skew_seconds":
			q.g.Admin.Away, q.g.Admin.Skewed = time.Duration(number*float64(time.Second)), true
		case name == "caddy_keygate_engine_evicted_keys":
			q.g.Admin.Evicted = number
		}
	}
}

// routes compares the routes that run with those of the file on disk, with its
// documents as they are now.
func (q *inquiry) routes() {
	c := &q.g.Config
	if c.Adapted == nil || c.Running == nil || q.g.Admin.Problem != "" {
		return
	}
	file := configFile{name: c.File, tree: c.Adapted}
	mappings, err := file.mappings()
	if errors.Is(err, errNoHandler) {
		return
	}
	if err != nil {
		c.Broken = placeOf(err, c.File)
		return
	}
	var running adminapi.RoutesResponse
	if err := q.get(adminapi.RoutesPath, &running); err != nil {
		c.Unread = err.Error()
		return
	}
	would, wouldErr := json.Marshal(adminapi.RoutesOf(mappings))
	does, err := json.Marshal(running)
	c.Stale = errors.Join(wouldErr, err) == nil && !bytes.Equal(would, does)
}

// readConfigFile reads the config on disk. What it says of an error is only where
// it is, because a message of Caddy's may quote the config.
func (c *cli) readConfigFile(found *doctor.Config) {
	var config []byte
	var file string
	err := quietly(func() (err error) {
		config, file, _, err = caddycmd.LoadConfig(c.target.config, c.target.adapter)
		return err
	})
	if file == "" {
		file = c.target.config
	}
	if _, missing := os.Stat("Caddyfile"); file == "" && missing == nil {
		file = "Caddyfile"
	}
	if file == "" {
		found.Reload = "systemctl reload keygate"
		return
	}
	if absolute, err := filepath.Abs(file); err == nil {
		file = absolute
	}
	found.File, found.Trusted = file, []string{file, filepath.Dir(file)}
	found.Reload = "caddy reload --config " + doctor.Quote(file)
	if c.target.adapter != "" {
		found.Reload += " --adapter " + doctor.Quote(c.target.adapter)
	}
	if c.target.address != "" {
		found.Reload += " --address " + doctor.Quote(c.target.address)
	}
	if err != nil {
		found.Broken = placeOf(err, file)
		return
	}
	if text, err := os.ReadFile(file); err == nil {
		found.Env = strings.Contains(string(text), "{$")
	}
	if err := json.Unmarshal(config, &found.Adapted); err != nil {
		found.Broken = "it is no JSON"
	}
}
