package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/socialpatra/keygate/bench/internal/figures"
	"github.com/socialpatra/keygate/bench/internal/keyset"
)

func measureImport(ctx context.Context, g *gateway, set keyset.Set, r *report) error {
	lines, err := os.OpenFile(g.path("keys.jsonl"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := set.Write(lines, nil); err != nil {
		return err
	}
	if err := lines.Close(); err != nil {
		return err
	}
	if _, err := g.start(ctx); err != nil {
		return err
	}
	busy := g.cpu()
	begin := time.Now()
	cmd := g.command(ctx, "keygate", "import", "keys.jsonl", "--address", "unix/"+g.path("admin.sock"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("caddy keygate import: %w", err)
	}
	if want := fmt.Sprintf("Imported %d keys.\n", set.N); string(out) != want {
		return fmt.Errorf("caddy keygate import says %q, want %q", out, want)
	}
	client := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.add("import", "%s", figures.Short(time.Since(begin)))
	r.add("import, processor time of gateway and command", "%s + %s", figures.Short(g.cpu()-busy), figures.Short(client))
	r.add("import, peak memory of the gateway (VmHWM)", "%s", megabytes(g.memory("VmHWM")))
	info, err := os.Stat(g.store())
	if err != nil {
		return err
	}
	r.add("file of the store", "%s", megabytes(info.Size()))
	return g.stop()
}

func measureStart(ctx context.Context, g *gateway, _ keyset.Set, r *report) error {
	took, err := g.start(ctx)
	if err != nil {
		return err
	}
	r.add("start of the gateway until it serves", "%s", figures.Short(took))
	r.add("resident memory after the start (VmRSS)", "%s", g.resident())
	return nil
}

// pages is how often a page is asked for.
const pages = 50

// measureLists goes through pages of a thousand keys, and leaves the gateway
// stopped.
func measureLists(ctx context.Context, g *gateway, set keyset.Set, r *report) error {
	for _, page := range []struct {
		name  string
		query url.Values
	}{
		{"first", url.Values{}},
		{"in the middle", url.Values{"cursor": {"VVVVVVVVVVVV"}}},
		{"last", url.Values{"cursor": {"zz0000000000"}}},
		{"of the largest workspace", url.Values{"workspace": {set.Workspace(0)}}},
		{"of a small workspace", url.Values{"workspace": {set.Workspace(set.Workspaces() - 1)}}},
		{"of revoked keys", url.Values{"status": {"revoked"}}},
	} {
		page.query.Set("limit", "1000")
		var took []time.Duration
		var keys int
		for range pages {
			begin := time.Now()
			text, err := g.read(ctx, "/keygate/keys", page.query)
			if err != nil {
				return err
			}
			took = append(took, time.Since(begin))
			var list struct{ Keys []json.RawMessage }
			if err := json.Unmarshal(text, &list); err != nil {
				return err
			}
			keys = len(list.Keys)
		}
		r.add(fmt.Sprintf("list, page %s (%d keys)", page.name, keys), "%s", spread(took))
	}
	r.add("resident memory after the lists (VmRSS)", "%s", g.resident())
	return g.stop()
}
