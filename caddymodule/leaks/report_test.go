package leaks

import (
	"net/http/httptest"
	"testing"
)

// One signature has one spelling.
func TestSignatureIsSpeltOneWay(t *testing.T) {
	for text, ok := range map[string]bool{"AA==": true, "AB==": false, "AA=": false, "AA": false, "AA==\n": false, " AA==": false, "AAE=": true, "AAF=": false} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["Github-Public-Key-Identifier"] = []string{"id"}
		r.Header["Github-Public-Key-Signature"] = []string{text}
		if _, _, bad := signatureOf(r); (bad == nil) != ok {
			t.Errorf("%q: %+v", text, bad)
		}
	}
}
