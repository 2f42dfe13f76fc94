package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"time"
)

// profileTime is how long a profile is taken: some thousand samples.
const profileTime = time.Minute

// takeProfile writes a profile of Keygate under requests that pass. It is built
// without a profile, whose inlining would be in the new one.
func (s *stage) takeProfile() error {
	if err := s.build("keygate", "cmd/caddy", "off"); err != nil {
		return err
	}
	g, err := s.start("keygate", "profile", guarded)
	if err != nil {
		return err
	}
	if err := g.check(keygateAnswers, s.requests); err != nil {
		return err
	}
	loaded := make(chan error, 1)
	go func() {
		const ends = 2 * time.Second // before and after
		_, err := drive(s.ctx, g.addr, requestLoad(s.requests.good, http.StatusOK, nil), s.connections, profileTime+ends)
		loaded <- err
	}()
	time.Sleep(time.Second)
	var profile bytes.Buffer
	err = g.get(s.ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(profileTime.Seconds())), &profile)
	if loadErr := <-loaded; loadErr != nil {
		return loadErr
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.profile, profile.Bytes(), 0o644); err != nil { //nolint:gosec // part of the source
		return err
	}
	_, err = fmt.Printf("%s: %d bytes\n", s.profile, profile.Len())
	return err
}
