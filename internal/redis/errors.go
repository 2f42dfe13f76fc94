package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/keystore"
)

// What callers decide on. All that an engine does not do is a failure of the key
// store on it, see [keystore.IsFailure].
var (
	// ErrUnavailable is wrapped by all that means that the engine cannot answer
	// now: it is not there, does not answer in time, is loading, has no master,
	// lacks the replicas that it wants for a write, or is out of memory.
	ErrUnavailable = keystore.Unavailable(errors.New("the engine is not available"))

	// ErrUncertain is wrapped, besides ErrUnavailable, where the engine may have
	// done what it was asked to, but no answer came.
	ErrUncertain = errors.New("it may or may not have been done")

	// ErrForeign is wrapped where a value is of another type than a command is
	// for: somebody else has put it there.
	ErrForeign = fmt.Errorf("%w: what is stored is of a foreign type", keystore.ErrDamaged)
)

// unavailable are the first words of those error replies that are about the
// engine's state and not about the command. Redis sends all of them before it
// has done any of the command.
var unavailable = map[string]bool{
	"LOADING": true, "CLUSTERDOWN": true, "MASTERDOWN": true, "NOREPLICAS": true, "READONLY": true,
	"MISCONF": true, "OOM": true, "BUSY": true, "TRYAGAIN": true, "MOVED": true, "ASK": true,
	"NOAUTH": true, "WRONGPASS": true, "NOPERM": true,
	"LOST": true, // what scripts say of an engine without their data
}

// errNoScript is what the engine says of a script that it does not know by its
// name, or does not know any more.
var errNoScript = fmt.Errorf("%w: NOSCRIPT", errRefused)

// errRefused is wrapped where the engine answers that it does not do a command,
// such as for data of another type than the store's.
var errRefused = keystore.Unavailable(errors.New("the engine refused a command"))

// notSentError is what a connection that could not be made leaves.
type notSentError struct{ error }

func (e notSentError) Unwrap() error { return e.error }

// explain classifies an error of the client. Nil stays nil, also the reply nil.
func (c *Conn) explain(err error) error {
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	if reply, ok := rueidis.IsRedisErr(err); ok {
		text := reply.Error()
		word, _, _ := strings.Cut(text, " ")
		if word == "NOSCRIPT" {
			return errNoScript
		}
		if strings.Contains(text, "WRONGTYPE") { // Redis 6 has it in the middle of a script's error
			return ErrForeign
		}
		if unavailable[word] || strings.HasPrefix(text, "Failed to refresh cluster slots") {
			return fmt.Errorf("%w: %s", ErrUnavailable, c.redact(text))
		}
		return fmt.Errorf("%w: %s", errRefused, c.redact(text))
	}
	if _, ok := errors.AsType[notSentError](err); ok || errors.Is(err, rueidis.ErrClosing) {
		return fmt.Errorf("%w: %s", ErrUnavailable, c.redact(err.Error()))
	}
	return fmt.Errorf("%w: %w: %s", ErrUnavailable, ErrUncertain, c.redact(err.Error()))
}

// redact keeps what must not be shown out of a text that the engine, or
// something that stands in its place, has sent: some echo their arguments.
func (c *Conn) redact(text string) string {
	for _, secret := range []string{c.config.Password, c.config.Username, c.config.SentinelPassword, c.config.SentinelUsername} {
		if secret != "" && strings.Contains(text, secret) {
			return "(the text of the error is left out, for it holds the credentials)"
		}
	}
	return text
}
