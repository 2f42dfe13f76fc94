package headers

// Removal is the reason why a header of the client does not reach the backend.
type Removal uint8

const (
	Override Removal = iota + 1 // makes some backends serve another path or method than the one authorised
	Address                     // claims a client address, which only a trusted proxy may do
	Hop                         // a credential, or only about this connection
	Alias                       // belongs to Caddy, and is removed in any spelling but Caddy's own
)

// Removed lists the headers that are removed, by folded name.
var Removed = map[string]Removal{
	"x-http-method-override": Override,
	"x-http-method":          Override,
	"x-method-override":      Override,
	"x-original-url":         Override,
	"x-original-method":      Override,
	"x-rewrite-url":          Override,
	"x-forwarded-uri":        Override,
	"x-forwarded-method":     Override,
	"x-forwarded-prefix":     Override,
	"x-original-uri":         Override,
	"x-forwarded-path":       Override,

	"forwarded":                Address,
	"forwarded-for":            Address,
	"x-forwarded":              Address,
	"x-original-forwarded-for": Address,
	"x-real-ip":                Address,
	"x-client-ip":              Address,
	"client-ip":                Address,
	"x-cluster-client-ip":      Address,
	"true-client-ip":           Address,
	"fastly-client-ip":         Address,
	"cf-connecting-ip":         Address,
	"cf-connecting-ipv6":       Address,
	// Further headers that frameworks and their libraries ask for the client
	// address, grouped by the CDN or server that sets them.
	"cf-pseudo-ipv4":            Address,
	"cloudfront-viewer-address": Address,
	"fly-client-ip":             Address,
	"proxy-client-ip":           Address,
	"wl-proxy-client-ip":        Address,
	"x-appengine-remote-addr":   Address,
	"x-appengine-user-ip":       Address,
	"x-envoy-external-address":  Address,
	"x-vercel-forwarded-for":    Address,

	"authorization":       Hop,
	"connection":          Hop,
	"upgrade":             Hop,
	"http2-settings":      Hop,
	"keep-alive":          Hop,
	"proxy-connection":    Hop,
	"proxy-authorization": Hop,
	"trailer":             Hop,

	"x-forwarded-for":   Alias,
	"x-forwarded-host":  Alias,
	"x-forwarded-proto": Alias,
	"content-length":    Alias,
	"transfer-encoding": Alias,

	"sec-websocket-protocol": Alias, // it may carry a token
}
