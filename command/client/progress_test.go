package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
)

func TestAskProgress(t *testing.T) {
	var told []string
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, adminapi.ImportPath, nil)
	r = askProgress(r, func(done, all int) { told = append(told, fmt.Sprintf("%d/%d", done, all)) }, nil)
	if r.Header.Get(adminapi.ProgressHeader) == "" {
		t.Error("it is not asked for")
	}
	w := newPipedResponse(r)
	for _, text := range []string{"1/1000", "", "1", "2/1", "-1/1", "x/y", "1/", "1000/1000"} {
		w.Header().Set(adminapi.ProgressHeader, text)
		w.WriteHeader(http.StatusProcessing)
	}
	if got := strings.Join(told, " "); got != "1/1000 1000/1000" {
		t.Errorf("told %q", got)
	}
}
