package access

import "net/http"

// method is the index of an HTTP method that can be mapped.
type method uint8

const (
	methodGet method = iota
	methodHead
	methodPost
	methodPut
	methodPatch
	methodDelete
	methodOptions
	methodQuery
	methodAny // only in routes, for *
	methodCount
)

// RequestMethods are the methods that requests may have, in the form of the Allow
// header (RFC 9110 §10.2.1).
const RequestMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY"

const acceptedMethods = RequestMethods + ", or * for any"

// query is the method of RFC 10008: safe, with a body. A route for GET does not
// cover it.
const query = "QUERY"

// parseMethod accepts the methods of requests. They are case-sensitive (RFC 9110
// §9.1). CONNECT and TRACE are not for gateways.
func parseMethod(s string) (method, bool) {
	switch s {
	case http.MethodGet:
		return methodGet, true
	case http.MethodHead:
		return methodHead, true
	case http.MethodPost:
		return methodPost, true
	case http.MethodPut:
		return methodPut, true
	case http.MethodPatch:
		return methodPatch, true
	case http.MethodDelete:
		return methodDelete, true
	case http.MethodOptions:
		return methodOptions, true
	case query:
		return methodQuery, true
	default:
		return 0, false
	}
}
