package access

// Why a query is refused, in words for the client.
const (
	querySpace    = "The query has a space in it. Percent-encode it as %20."
	queryControl  = "The query has a control character in it. Percent-encode it."
	queryNotASCII = "The query has a byte that is not ASCII. Percent-encode it."
)

// checkQuery decides whether the query of a request, without its question mark,
// can be forwarded unchanged. It returns "" if so. Otherwise it returns what is
// wrong, for the client, without quoting the query.
//
// It refuses characters that HTTP/1.1 allows in no request target (RFC 9112
// §3.2). HTTP/2 and HTTP/3 can carry them, and a backend that gets them over
// HTTP/1.1 would read another request line.
func checkQuery(query string) (problem string) {
	for i := range len(query) {
		switch c := query[i]; {
		case c > ' ' && c < 0x7f:
		case c == ' ':
			return querySpace
		case c > 0x7f:
			return queryNotASCII
		default:
			return queryControl
		}
	}
	return ""
}
