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
	methodAny // only in routes, as *
	methodCount
)

const acceptedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, or * for any"

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
	default:
		return 0, false
	}
}
