package access

import "net/http"

// method is an HTTP method that can be mapped, as an index.
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
	methodAny // only in routes, as *
	methodCount
)

// RequestMethods are the methods that requests may have, as the field Allow
// lists them (RFC 9110 §10.2.1).
const RequestMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY"

const acceptedMethods = RequestMethods + ", or * for any"

// query is the method of RFC 10008: safe, with a body. It follows no other.
const query = "QUERY"

// parseMethod knows the methods of requests. They are case-sensitive (RFC 9110
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
