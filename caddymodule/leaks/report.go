package leaks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/socialpatra/keygate/adminapi"
)

const maxReport = 1 << 20 // bytes of the body

// reportedLeak is one member of a report, a find.
type reportedLeak struct {
	Token  string `json:"token"`
	Type   string `json:"type"`
	URL    string `json:"url"`
	Source string `json:"source"`
}

// badReport says what is wrong with a report, in words for the sender that have
// nothing of the report in them.
type badReport struct {
	status int
	code   string
	detail string
}

func malformed(detail string) *badReport {
	return &badReport{http.StatusBadRequest, "malformed_report", detail}
}

// signatureOf returns the headers of a signed report.
func signatureOf(r *http.Request) (keyID string, signature []byte, bad *badReport) {
	ids, signatures := r.Header.Values("Github-Public-Key-Identifier"), r.Header.Values("Github-Public-Key-Signature")
	if len(ids) != 1 || len(signatures) != 1 || ids[0] == "" || len(ids[0]) > 200 || signatures[0] == "" || len(signatures[0]) > 200 {
		return "", nil, malformed("The report is not signed. Send Github-Public-Key-Identifier and Github-Public-Key-Signature, each once.")
	}
	signature, err := base64.StdEncoding.DecodeString(signatures[0])
	if err != nil || base64.StdEncoding.EncodeToString(signature) != signatures[0] {
		return "", nil, malformed("The signature is not base64.")
	}
	return ids[0], signature, nil
}

// readReport returns the body as it was sent, which is what is signed.
func readReport(w http.ResponseWriter, r *http.Request) ([]byte, *badReport) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &badReport{http.StatusRequestEntityTooLarge, "report_too_large", "The report has more than 1 MiB. Send it in parts."}
	}
	if err != nil {
		return nil, malformed("The body did not come whole.")
	}
	return body, nil
}

func verifies(key *ecdsa.PublicKey, body, signature []byte) bool {
	digest := sha256.Sum256(body)
	return ecdsa.VerifyASN1(key, digest[:], signature)
}

// parseReport reads the body of a report. A find that cannot be read spoils all of
// them, so that none is left out unnoticed.
func parseReport(body []byte) ([]reportedLeak, *badReport) {
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		return nil, malformed("The body is not a JSON list.")
	}
	var leaks []reportedLeak
	if err := json.Unmarshal(body, &leaks); err != nil {
		return nil, malformed("The body is not a JSON list of objects with token, type, url and source.")
	}
	if len(leaks) > adminapi.MaxLeaked {
		return nil, &badReport{http.StatusRequestEntityTooLarge, "report_too_large", "The report has more than 1,000 tokens. Send it in parts."}
	}
	if slices.ContainsFunc(leaks, func(l reportedLeak) bool { return l.Token == "" }) {
		return nil, malformed("A member of the list has no token.")
	}
	return leaks, nil
}
