package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// refusing is a gateway that refuses with some statuses and passes the rest on. The
// token says what a request should get.
func refusing(t *testing.T, statuses []int) *gateway {
	t.Helper()
	var mu sync.Mutex
	used := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		used[token]++
		due := http.StatusOK
		switch {
		case token == "" || token == "bad" || token == "unknown":
			due = unauthorized
		case r.Method == http.MethodPost:
			due = forbidden
		case strings.HasPrefix(token, "limited") && used[token] > 1:
			due = tooMany
		}
		if slices.Contains(statuses, due) {
			w.WriteHeader(due)
		}
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(s.Close)
	return &gateway{dir: t.TempDir(), addr: s.Listener.Addr().String()}
}

// A gateway is measured only if it refuses what it is said to, and no more.
func TestCheck(t *testing.T) {
	get := func(token string) []byte { return render(http.MethodGet, "/v1/posts/1", token, nil) }
	r := &requests{
		good: [][]byte{get("good"), get("other")}, badChecksum: [][]byte{get("bad")}, unknown: [][]byte{get("unknown")},
		wrongScope: [][]byte{render(http.MethodPost, "/v1/posts/1", "good", nil)},
		overLimit:  [][]byte{get("limited-1"), get("limited-2")}, noKey: get(""),
	}
	subsets := [][]int{
		nil,
		{unauthorized},
		{forbidden},
		{tooMany},
		{unauthorized, forbidden},
		{unauthorized, tooMany},
		{forbidden, tooMany},
		{unauthorized, forbidden, tooMany},
	}
	for _, said := range subsets {
		for _, does := range subsets {
			t.Run(fmt.Sprintf("%v of %v", said, does), func(t *testing.T) {
				err := refusing(t, does).check(answers{statuses: said}, r)
				if (err == nil) != slices.Equal(said, does) {
					t.Errorf("said to refuse %v, refuses %v: %v", said, does, err)
				}
			})
		}
	}
	r.good = append(r.good, get("unknown"))
	if err := refusing(t, keygateAnswers.statuses).check(keygateAnswers, r); err == nil {
		t.Error("a good key that is refused is let be")
	}
}

// Where a gateway limits the first key alone, the others are not asked of it.
func TestCheckLimited(t *testing.T) {
	r := &requests{good: [][]byte{render(http.MethodGet, "/", "good", nil)}, noKey: render(http.MethodGet, "/", "", nil)}
	r.overLimit = [][]byte{render(http.MethodGet, "/", "limited", nil), render(http.MethodGet, "/", "free", nil)}
	for limited, passes := range map[int]bool{1: true, 2: false, 0: false} {
		err := refusing(t, []int{tooMany}).check(answers{[]int{tooMany}, limited}, r)
		if (err == nil) != passes {
			t.Errorf("of %d: %v", limited, err)
		}
	}
}
