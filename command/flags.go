package command

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// The flags in this file leave their pointers nil until they are given. So the
// server gets exactly what was typed, including zero values, and it alone decides
// what is accepted. Flags refuse only what a request cannot express.

// textFlag is a flag whose value is any text.
type textFlag struct {
	dst   **string
	field string
}

func (textFlag) String() string { return "" }
func (textFlag) Type() string   { return "text" }

func (f textFlag) Set(s string) error {
	if !utf8.ValidString(s) {
		return notUTF8(f.field)
	}
	*f.dst = &s
	return nil
}

func notUTF8(field string) error {
	return &apikey.FieldError{Field: field, Problem: "is not valid UTF-8"}
}

// listFlag takes one value, or several separated by commas, and may be repeated.
type listFlag struct {
	dst   **[]string
	field string
}

func (listFlag) String() string { return "" }
func (listFlag) Type() string   { return "list" }

func (f listFlag) Set(s string) error {
	if !utf8.ValidString(s) {
		return notUTF8(f.field)
	}
	if *f.dst == nil {
		*f.dst = new([]string)
	}
	for value := range strings.SplitSeq(s, ",") {
		**f.dst = append(**f.dst, strings.TrimSpace(value))
	}
	return nil
}

// numberFlag takes a whole number. It does not check the range, but its errors
// say what the range is.
type numberFlag struct {
	dst      **int64
	field    string
	accepted string
}

func (numberFlag) String() string { return "" }
func (numberFlag) Type() string   { return "number" }

func (f numberFlag) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return &apikey.FieldError{Field: f.field, Problem: "is not a whole number", Accepted: f.accepted}
	}
	*f.dst = &n
	return nil
}

// refuseRepeats makes a command refuse one of its own flags that is given more than
// once: of two filters one would be ignored.
func refuseRepeats(cmd *cobra.Command) {
	var repeated string // the last such flag
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		f.Value = &onceFlag{Value: f.Value, flag: "--" + f.Name, repeated: &repeated}
	})
	accept := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if repeated != "" {
			return &apikey.FieldError{Field: repeated, Problem: "is given more than once", Accepted: "once"}
		}
		return accept(cmd, args)
	}
}

// onceFlag notes in repeated that it is given more than once. It does not refuse
// that itself, because cobra parses flags twice to complete them.
type onceFlag struct {
	pflag.Value
	flag     string
	repeated *string
	given    bool
}

func (f *onceFlag) Set(s string) error {
	if f.given {
		*f.repeated = f.flag
	}
	f.given = true
	return f.Value.Set(s)
}

// addCursor adds the flag --cursor to a command that lists pages.
func addCursor(flags *pflag.FlagSet, cursor **string) {
	flags.Var(textFlag{cursor, "--cursor"}, "cursor", "Only what follows this `next_cursor` of a list with the same flags (default all)")
}

// placeFlag names a file or an address. It refuses an empty value, which usually
// comes from a shell variable that is not set, rather than falling back to
// another place.
type placeFlag struct {
	dst  *string
	flag string
}

func (placeFlag) String() string { return "" }
func (placeFlag) Type() string   { return "text" }

func (f placeFlag) Set(s string) error {
	if s == "" {
		return &apikey.FieldError{Field: "--" + f.flag, Problem: "is empty"}
	}
	*f.dst = s
	return nil
}

// keyFlags are the settings of a key that flags can set and change.
type keyFlags struct {
	req       adminapi.KeyRequest
	limits    adminapi.LimitsRequest
	expiresAt *string
}

func (f *keyFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(textFlag{&f.req.Name, "name"}, "name", "What people call the key, 1 to 100 characters")
	flags.Var(textFlag{&f.req.Description, "description"}, "description", "What the key is for, up to 500 characters")
	flags.Var(listFlag{&f.req.Scopes, "scopes"}, "scope", "Scopes of the key, separated by commas; may be repeated; see caddy keygate scopes")
	flags.Var(numberFlag{&f.req.ExpiresInDays, "expires_in_days", "1 to 3650"}, "expires-in-days", "The key expires in so many `days`, 1 to 3650 (default never)")
	flags.Var(textFlag{&f.expiresAt, "expires_at"}, "expires-at", "The key expires at this `time`, such as 2027-01-01T00:00:00Z (default never)")
	flags.Var(numberFlag{&f.limits.PerMinute, "per_minute", "1 to 1,000,000"}, "per-minute", "Requests per minute, 1 to 1,000,000 (default 60)")
	flags.Var(numberFlag{&f.limits.PerDay, "per_day", "1 to 1,000,000,000"}, "per-day", "Requests per UTC day, 1 to 1,000,000,000 (default 10,000)")
	flags.Var(numberFlag{&f.limits.Burst, "burst", "1 to per_minute"}, "burst", "Requests at once, 1 to per-minute (default per-minute)")
	flags.Var(listFlag{&f.req.AllowedOrigins, "allowed_origins"}, "origin", "Web `origin` that may use the key, such as https://shop.example or https://*.shop.example; may be repeated (default any)")
	flags.Var(listFlag{&f.req.AllowedIPs, "allowed_ips"}, "ip", "IP `address` or CIDR range that may use the key, such as 203.0.113.7; may be repeated (default any)")
	flags.BoolVar(&f.req.AllowUnknownScope, "allow-unknown-scope", false, "Accept scopes that neither the catalogue nor the running config knows")
}

// request returns the request body for the flags that were given.
func (f *keyFlags) request() (adminapi.KeyRequest, error) {
	req := f.req
	if f.limits != (adminapi.LimitsRequest{}) {
		req.Limits = &f.limits
	}
	if f.expiresAt != nil {
		at, err := json.Marshal(*f.expiresAt)
		if err != nil {
			return adminapi.KeyRequest{}, fmt.Errorf("expires_at: %w", err)
		}
		req.ExpiresAt = at
	}
	return req, nil
}
