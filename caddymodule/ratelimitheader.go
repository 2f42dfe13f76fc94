package caddymodule

import (
	"net/http"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// setRateLimit sets RateLimit and RateLimit-Policy (draft-ietf-httpapi-
// ratelimit-headers), replacing a backend's:
//
//	RateLimit-Policy: "minute";q=60;w=60, "day";q=10000;w=86400
//	RateLimit: "minute";r=0;t=1, "day";r=9211;t=31044
//
// q is what the key is allowed per w seconds, r what is left, t the whole
// seconds until there is more.
func setRateLimit(h http.Header, caps apikey.Limits, res *ratelimit.Result) {
	var buf [96]byte
	b := append(buf[:0], `"minute";q=`...)
	b = strconv.AppendUint(b, uint64(caps.PerMinute), 10)
	b = append(b, `;w=60, "day";q=`...)
	b = strconv.AppendUint(b, uint64(caps.PerDay), 10)
	b = append(b, `;w=86400`...)
	h["Ratelimit-Policy"] = []string{string(b)}

	b = append(buf[:0], `"minute"`...)
	b = appendBalance(b, res.Minute)
	b = append(b, `, "day"`...)
	b = appendBalance(b, res.Day)
	h["Ratelimit"] = []string{string(b)}
}

func appendBalance(b []byte, bal ratelimit.Balance) []byte {
	b = append(b, ";r="...)
	b = strconv.AppendUint(b, uint64(bal.Remaining), 10)
	b = append(b, ";t="...)
	return strconv.AppendInt(b, int64(bal.Reset), 10)
}
