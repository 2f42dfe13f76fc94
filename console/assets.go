package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
)

//go:embed assets templates
var files embed.FS

// asset is a file that pages load. Its name changes with its content, so that
// browsers may keep it for good.
type asset struct {
	name, mediaType string
	content         []byte
}

var (
	stylesheet = mustAsset("assets/page.css", ".css", "text/css; charset=utf-8")
	script     = mustAsset("assets/page.js", ".js", "text/javascript; charset=utf-8")
)

func mustAsset(file, suffix, mediaType string) asset {
	content, err := files.ReadFile(file)
	if err != nil {
		panic(err) // it is embedded by the line above
	}
	sum := sha256.Sum256(content)
	return asset{"/assets/" + hex.EncodeToString(sum[:8]) + suffix, mediaType, content}
}

// serveAsset answers if the request is for an asset. They are the same for
// everybody.
func serveAsset(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/assets/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	for _, a := range []asset{stylesheet, script} {
		if a.name == r.URL.Path {
			w.Header().Set("Content-Type", a.mediaType)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(a.content) // fails only if nobody reads the answer
			return true
		}
	}
	return false
}
