package adminapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// What is not the last answer is sent only to those who ask for it.
func TestTellProgress(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ImportPath, nil)
	if tellProgress(httptest.NewRecorder(), r) != nil {
		t.Error("progress that nobody asked for")
	}
	r.Header.Set(ProgressHeader, "1")
	w := &informed{ResponseRecorder: httptest.NewRecorder()}
	tell := tellProgress(w, r)
	start := time.Now()
	for done := 1; done <= 1000; done++ {
		tell(done, 1000)
	}
	if most := 2 + int(time.Since(start)/progressPause); len(w.told) < 2 || len(w.told) > most || w.told[0] != "1/1000" || w.told[len(w.told)-1] != "1000/1000" {
		t.Errorf("told %q, want the first, the last and at most %d", w.told, most)
	}
	if w.Header().Get(ProgressHeader) != "" {
		t.Error("the header is left for the answer")
	}
}

// informed keeps what answers that are not the last tell.
type informed struct {
	*httptest.ResponseRecorder
	told []string
}

func (w *informed) WriteHeader(status int) {
	if status == http.StatusProcessing {
		w.told = append(w.told, w.Header().Get(ProgressHeader))
	}
}
