package openapis

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds of what one document may take, of the issue that asked for this.
const (
	mostTime   = 10 * time.Second // of processors
	mostMemory = 1 << 30          // bytes
)

// tally counts what was asked and what came of it.
type tally struct {
	documents, operations, requests int

	asWritten, withOptions int            // documents that load
	neverLoaded            map[string]int // by reason
	refusals               map[string]int // of readings, by reason
	readings               map[string]*outcome

	slowest, biggest measured
}

type measured struct {
	document string
	time     time.Duration
	memory   uint64
}

// outcome counts operations of readings of one kind.
type outcome struct {
	mapped int
	denied map[string]int // by finding and reason
}

func newTally() *tally {
	return &tally{neverLoaded: make(map[string]int), refusals: make(map[string]int), readings: make(map[string]*outcome)}
}

// of returns the outcome of the readings that differ in scheme and base_path alone.
func (t *tally) of(r reading) *outcome {
	kind := reading{mapped: r.mapped, fallback: r.fallback}.String()
	o := t.readings[kind]
	if o == nil {
		o = &outcome{denied: make(map[string]int)}
		t.readings[kind] = o
	}
	return o
}

// examiner writes documents to a folder, as a gateway reads them.
type examiner struct {
	folder string
	tally  *tally
	alter  func(*gateway) // puts a fault in; nil: none
}

// readings are the ways in which a gateway is told to read a document.
func (s *spec) readings() (all []reading) {
	schemes := s.carriers
	if len(schemes) > 4 {
		schemes = schemes[:4]
	}
	given := len(schemes) > 1
	switch len(schemes) {
	case 0:
		schemes = []string{""}
	case 1:
	default:
		all = append(all, reading{scheme: schemes[0]})
	}
	for _, scheme := range schemes {
		all = append(all,
			reading{scheme: scheme, given: given},
			reading{scheme: scheme, given: given, mapped: true, fallback: "deny"},
			reading{scheme: scheme, given: given, mapped: true, fallback: "authenticated", base: "/kg/v9"},
			reading{scheme: scheme, given: given, mapped: true, fallback: "public", base: "/"},
		)
	}
	return all
}

// document is one to examine.
type document struct {
	*spec
	name   string
	file   string
	probes map[string][]probe // by base path
}

// open writes a document to the folder and has the library read it.
func (e *examiner) open(name string, data []byte) (*document, error) {
	d := &document{name: name, file: filepath.Join(e.folder, "document"+filepath.Ext(name)), probes: make(map[string][]probe)}
	if err := os.WriteFile(d.file, data, 0o600); err != nil {
		return nil, err
	}
	var err error
	d.spec, err = parse(data)
	return d, err
}

// examine returns the differences of all readings of a document.
func (e *examiner) examine(name string, data []byte) (found []difference, err error) {
	d, err := e.open(name, data)
	if err != nil {
		return nil, err
	}
	e.tally.documents++
	e.tally.operations += len(d.operations)
	asWritten, loaded, why := false, false, ""
	for i, r := range d.readings() {
		c := e.compare(d, r)
		asWritten = asWritten || i == 0 && c.gateway != nil
		if c.refusal != "" {
			e.tally.refusals[c.refusal]++
			why = c.refusal
		}
		if strings.Contains(c.refusal, "server") {
			r.base = "/kg"
			c = e.compare(d, r)
		}
		loaded = loaded || c.gateway != nil
		found = append(found, c.found...)
	}
	switch {
	case asWritten:
		e.tally.asWritten++
	case loaded:
		e.tally.withOptions++
	default:
		e.tally.neverLoaded[why]++
	}
	return found, nil
}

// compare holds the gateway that reads a document in one way against it.
func (e *examiner) compare(d *document, r reading) (c *comparison) {
	c = &comparison{spec: d.spec, reading: r, tally: e.tally}
	defer func() {
		if p := recover(); p != nil {
			c.report(panicked, "", "", "%v\n%s", p, debug.Stack())
		}
	}()
	c.paths = newPaths(d.operations, r.text)
	delete(d.doubts, differInNames)
	c.prepare()
	c.load(d)
	if c.gateway == nil {
		return c
	}
	if e.alter != nil {
		e.alter(c.gateway)
	}
	if d.probes[r.base] == nil {
		d.probes[r.base] = c.paths.probes()
	}
	c.probes = d.probes[r.base]
	c.run()
	return c
}

// load makes the gateway, or notes why it may be refused.
func (c *comparison) load(d *document) {
	var g *gateway
	var err error
	m := measure(func() {
		if g, err = load(d.file, c.reading, c.spec); err == nil {
			g.find()
		}
	})
	m.document = d.name
	if m.time > c.tally.slowest.time {
		c.tally.slowest = m
	}
	if m.memory > c.tally.biggest.memory {
		c.tally.biggest = m
	}
	if m.time > mostTime || m.memory > mostMemory {
		c.report(tooMuch, "", "", "%s, %d MB", m.time.Round(time.Millisecond), m.memory>>20)
	}
	c.gateway = g
	if err == nil {
		return
	}
	if c.refusal = c.mayRefuse(); c.refusal == "" {
		c.report(refused, "", "", "%v", err)
	}
}

// mayRefuse returns what docs/openapi.md says about such a document, or "".
func (c *comparison) mayRefuse() string {
	if !c.reading.given && len(c.spec.carriers) > 1 {
		return "several schemes, and none is given"
	}
	for _, why := range slices.Sorted(maps.Keys(c.spec.doubts)) {
		if c.spec.doubts[why] && (c.reading.base == "" || !strings.Contains(why, "server")) {
			return why
		}
	}
	for _, op := range c.spec.operations {
		if c.leftOut[op] == "" {
			return ""
		}
	}
	return "no operation can be mapped"
}

// cpuTime is how long the processors have worked for the tests. Time on a clock
// says more of what else a machine does.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// measure runs f. Its memory is the most that the heap grew by while it ran, or
// all that it allocated if that is less.
func measure(f func()) (m measured) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	stop := make(chan struct{})
	var peak uint64
	var wait sync.WaitGroup
	wait.Go(func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	start := cpuTime()
	f()
	m.time = cpuTime() - start
	close(stop)
	wait.Wait()
	runtime.ReadMemStats(&after)
	m.memory = after.TotalAlloc - before.TotalAlloc
	if peak > before.HeapAlloc {
		m.memory = min(m.memory, peak-before.HeapAlloc)
	}
	return m
}

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d documents with %d operations: %d load as written, %d with options", t.documents, t.operations, t.asWritten, t.withOptions)
	table(&b, "documents that never load", t.neverLoaded)
	for _, kind := range slices.Sorted(maps.Keys(t.readings)) {
		o := t.readings[kind]
		table(&b, fmt.Sprintf("with %s: %d operations are mapped; denied", kind, o.mapped), o.denied)
	}
	table(&b, "refused readings", t.refusals)
	fmt.Fprintf(&b, "\n%d requests were decided", t.requests)
	fmt.Fprintf(&b, "\nslowest: %s, %s\nmost memory: %s, %d MB", t.slowest.document, t.slowest.time.Round(time.Millisecond), t.biggest.document, t.biggest.memory>>20)
	return b.String()
}

func table(b *strings.Builder, title string, counts map[string]int) {
	fmt.Fprintf(b, "\n%s:", title)
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "\n  %7d %s", counts[key], key)
	}
}
