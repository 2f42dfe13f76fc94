package stores

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/goldentest"
	"github.com/socialpatra/keygate/keystore"
)

// warned is a module whose store has something to say.
type warned struct{ *Bolt }

func (m warned) Open(logger *zap.Logger) (keystore.Store, error) {
	store, err := m.Bolt.Open(logger)
	return warnedStore{store}, err
}

type warnedStore struct{ keystore.Store }

func (s warnedStore) About() keystore.About {
	about := s.Store.About()
	about.Warnings = []string{"too little of something"}
	return about
}

// A gateway that opens a store of an older Keygate says that there is no way back,
// once.
func TestOpenTellsAnUpgrade(t *testing.T) {
	content := goldentest.Unpacked(t, "../../keystore/testdata/schema1.db.gz")
	module := &Bolt{Path: filepath.Join(t.TempDir(), "keygate.db")}
	if err := errors.Join(os.WriteFile(module.Path, content, 0o600), module.Provision(caddy.Context{})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		core, logs := observer.New(zap.WarnLevel)
		store, err := Open(module, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
		told := logs.FilterMessageSnippet("upgraded the key store: an older Keygate cannot open it any more").FilterField(zap.Int("from_schema", 1)).FilterField(zap.Int("schema", 6))
		if told.Len() != want || logs.Len() != want {
			t.Errorf("told %v, want %d line", logs.All(), want)
		}
	}
}

// Each open is one line, and a store that was made is a warning.
func TestOpenTellsTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keygate.db")
	module := &Bolt{Path: path}
	if err := module.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	open := func(module Module) (keystore.Store, []observer.LoggedEntry) {
		t.Helper()
		core, logs := observer.New(zap.InfoLevel)
		store, err := Open(module, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		return store, logs.All()
	}
	told := func(entry observer.LoggedEntry, level, message string, keys int64) {
		t.Helper()
		fields := entry.ContextMap()
		if entry.Level.String() != level || entry.Message != message || fields["store"] != path || fields["kind"] != "bbolt" || fields["schema"] != int64(6) || fields["keys"] != keys {
			t.Errorf("told %s %q %v", entry.Level, entry.Message, fields)
		}
	}
	const made = "made a new key store, which has no keys: if there should be some, correct the path or mount the volume, then restart"
	store, lines := open(module)
	if len(lines) != 1 {
		t.Fatalf("told %v", lines)
	}
	told(lines[0], "warn", made, 0)
	_, id, hash := apikey.Generate("patra")
	k := apikey.Key{ID: id, Hash: hash, Workspace: "acme", Name: "x", Scopes: []string{"posts:read"}, Limits: apikey.Limits{PerMinute: 1, PerDay: 1, Burst: 1}}
	if err := store.Create(k, keystore.Actor{}); err != nil {
		t.Fatal(err)
	}
	store.Close()

	store, lines = open(warned{module})
	if len(lines) != 2 || lines[0].Message != "the key store is open, but not as it should be" || lines[0].ContextMap()["warning"] != "too little of something" {
		t.Fatalf("told %v", lines)
	}
	told(lines[1], "info", "the key store is open", 1)
	if got := infoOf(t, store, store, warnedStore{store}); !slices.Equal(got, []string{"bbolt " + path + " 6"}) {
		t.Errorf("the metric tells %q", got)
	}
	store.Close()
}

// infoOf is what the metric tells of open stores.
func infoOf(t *testing.T, open ...keystore.Store) []string {
	t.Helper()
	found := make(chan prometheus.Metric, 100)
	InfoCollector(slices.Values(open)).Collect(found)
	close(found)
	var told []string
	for metric := range found {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			t.Fatal(err)
		}
		labels := make(map[string]string)
		for _, label := range m.GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
		if m.GetGauge().GetValue() != 1 {
			t.Errorf("%v is %v", labels, m.GetGauge())
		}
		told = append(told, labels["kind"]+" "+labels["store"]+" "+labels["schema"])
	}
	return told
}

func TestOpenMakesNothingWithCreateOff(t *testing.T) {
	dir := t.TempDir()
	module := &Bolt{Path: filepath.Join(dir, "data", "keygate.db"), Create: "off"}
	if err := module.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if store, err := Open(module, zap.NewNop()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opened %v, %v", store, err)
		}
	}
	if left, err := filepath.Glob(dir + "/*"); err != nil || len(left) > 0 {
		t.Errorf("%v was made, %v", left, err)
	}
	store, err := Open(&Bolt{abs: module.abs, Create: "on"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	if store, err = Open(module, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	store.Close()
}
