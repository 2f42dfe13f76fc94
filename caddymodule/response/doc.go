// Package response makes what clients, browsers and caches read of Keygate's answers: the
// bodies of denials (RFC 9457), and the headers for limits, CORS and caching. It knows
// no Caddy, and decides nothing.
package response
