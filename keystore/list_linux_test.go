package keystore

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// mappedPages returns how many bytes of files the process has in memory.
func mappedPages(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(status), "RssFile:")
	text, _, ok := strings.Cut(text, " kB")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if !ok || err != nil {
		t.Fatalf("no RssFile in\n%s", status)
	}
	return n * 1024
}

// A list that has read the whole file gives its pages back.
func TestListGivesPagesBack(t *testing.T) {
	path, keys := buildMany(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	before := mappedPages(t)
	for _, sort := range Sorts() {
		if _, err := s.List(Query{Sort: sort, Now: time.Unix(1e9, 0)}); err != nil {
			t.Fatal(err)
		}
		if more := mappedPages(t) - before; more > int(info.Size())/4 {
			t.Errorf("by %s: %d bytes of %d stay in memory, of %d keys", sort, more, info.Size(), keys)
		}
	}
	q := Query{Limit: MaxPage}
	for {
		page, err := s.List(q)
		if err != nil {
			t.Fatal(err)
		}
		if q.After = page.Next; q.After.IsZero() {
			break
		}
	}
	if more := mappedPages(t) - before; more > int(info.Size())/4 {
		t.Errorf("after all pages by ID: %d bytes of %d stay in memory", more, info.Size())
	}
}

// A batch of many keys, which reads most of the file, gives its pages back.
func TestBatchGivesPagesBack(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "keys.db"))
	before := mappedPages(t)
	for first := range 2 {
		keys := make([]apikey.Key, manyRecords)
		for i := range keys {
			keys[i] = numberedKey(t, first+2*i) // so that the second batch lies among the first
		}
		if err := s.CreateAll(keys, testActor, nil); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if more := mappedPages(t) - before; more > int(info.Size())/8 {
		t.Errorf("%d bytes of %d stay in memory", more, info.Size())
	}
}
