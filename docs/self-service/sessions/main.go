// Command sessions signs people in, and tells Caddy's forward_auth who they are:
// the least that docs/self-service.md needs of a product's own sign-in.
//
// It keeps sessions in memory and users in a file, {"ada": {"workspace": "acme",
// "role": "admin", "password": "…"}}. The password there is what
// "sessions -hash" prints for one.
package main

import (
	"bufio"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// user is one who may sign in. A user belongs to one workspace.
type user struct {
	Workspace string `json:"workspace"`
	Role      string `json:"role"`     // admin or member
	Password  string `json:"password"` // salt and PBKDF2 of it, in hex
}

type session struct {
	user string
	ends time.Time
}

// service answers for the users that it is made with.
type service struct {
	users map[string]user
	now   func() time.Time

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]session // by the hash of what the cookie has
}

const (
	// No script reads it, no other site's form sends it, and no other host or
	// plain HTTP sets it.
	cookieName = "__Host-session"
	lifetime   = 8 * time.Hour
)

func newService(users map[string]user, now func() time.Time) *service {
	return &service{users: users, now: now, sessions: make(map[[sha256.Size]byte]session)}
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /session", s.tell)
	mux.HandleFunc("GET /sign-in", s.form)
	mux.HandleFunc("POST /sign-in", s.signIn)
	mux.HandleFunc("POST /sign-out", s.signOut)
	return http.NewCrossOriginProtection().Handler(mux)
}

// tell answers forward_auth: 204 and who is signed in, or anything but 2xx.
func (s *service) tell(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	name, ok := s.signedIn(r)
	if !ok {
		if r.Header.Get("X-Forwarded-Method") == "GET" && strings.Contains(r.Header.Get("Accept"), "text/html") {
			form := url.URL{Path: "/sign-in", RawQuery: url.Values{"from": {r.Header.Get("X-Forwarded-Uri")}}.Encode()}
			http.Redirect(w, r, form.String(), http.StatusSeeOther)
			return
		}
		http.Error(w, `{"error":"sign in first, at /sign-in"}`, http.StatusUnauthorized)
		return
	}
	u := s.users[name]
	w.Header().Set("X-User", name)
	w.Header().Set("X-Workspace", u.Workspace)
	w.Header().Set("X-Role", u.Role)
	w.WriteHeader(http.StatusNoContent)
}

func (s *service) signedIn(r *http.Request) (name string, ok bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	id := sha256.Sum256([]byte(cookie.Value))
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.sessions[id]
	if ok && !s.now().Before(found.ends) {
		delete(s.sessions, id)
		return "", false
	}
	return found.user, ok
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title>
<form method="post" action="/sign-in">
<input type="hidden" name="from" value="{{.From}}">
<p>{{.Text}}</p>
<p><label>Name <input name="name" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p>
</form></html>
`))

func (s *service) form(w http.ResponseWriter, r *http.Request) {
	show(w, http.StatusOK, r.FormValue("from"), "")
}

func show(w http.ResponseWriter, status int, from, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = page.Execute(w, struct{ From, Text string }{wayBack(from), text}) // fails only where the client is gone
}

// home is where people go who came from nowhere.
const home = "/settings/api-keys"

// wayBack is where somebody goes after signing in: a path of this site, or home for
// whatever else a link to the form may have. Two slashes begin the name of another
// host, also with a tab or a line end between them, and to browsers a backslash is a
// slash.
func wayBack(from string) string {
	const longest = 1000
	odd := func(c rune) bool { return c <= ' ' || c == '\\' }
	if !strings.HasPrefix(from, "/") || strings.HasPrefix(from, "//") || strings.ContainsFunc(from, odd) || len(from) > longest {
		return home
	}
	return from
}

func (s *service) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	name := r.PostFormValue("name")
	u, known := s.users[name]
	if !isPassword(u.Password, r.PostFormValue("password")) || !known {
		show(w, http.StatusForbidden, r.PostFormValue("from"), "That is no name and password that fit.")
		return
	}
	value := rand.Text()
	s.mu.Lock()
	for id, old := range s.sessions {
		if !s.now().Before(old.ends) {
			delete(s.sessions, id)
		}
	}
	s.sessions[sha256.Sum256([]byte(value))] = session{name, s.now().Add(lifetime)}
	s.mu.Unlock()
	setCookie(w, value, lifetime)
	http.Redirect(w, r, wayBack(r.PostFormValue("from")), http.StatusSeeOther) //nolint:gosec // wayBack keeps it on this site
}

func (s *service) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.sessions, sha256.Sum256([]byte(cookie.Value)))
		s.mu.Unlock()
	}
	setCookie(w, "", -time.Second)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

func setCookie(w http.ResponseWriter, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// isPassword costs the same for a name that nobody has.
func isPassword(stored, password string) bool {
	salt, _ := hex.DecodeString(stored[:min(len(stored), 32)])
	return subtle.ConstantTimeCompare([]byte(stored), []byte(hashed(salt, password))) == 1
}

func hashed(salt []byte, password string) string {
	key, err := pbkdf2.Key(sha256.New, password, salt, 600_000, 32)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(salt) + hex.EncodeToString(key)
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:9100", "address; Caddy alone is to reach it")
	file := flag.String("users", "users.json", "who may sign in")
	hash := flag.Bool("hash", false, "read a password from standard input, and print what users.json has of it")
	flag.Parse()
	if *hash {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			return fmt.Errorf("reading a line with the password: %w", err)
		}
		salt := make([]byte, 16)
		rand.Read(salt)
		fmt.Println(hashed(salt, strings.TrimSuffix(line, "\n")))
		return nil
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	users := make(map[string]user)
	if err := json.Unmarshal(text, &users); err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	server := http.Server{Addr: *listen, Handler: newService(users, time.Now).handler(), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sessions:", err)
		os.Exit(1)
	}
}
