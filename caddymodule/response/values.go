package response

// Values holds the header values of one answer, so that those of a request that passes
// need no allocations of their own. A refusal may have more. No two answers share
// one, because handlers around Keygate may change the slices that they find.
type Values struct {
	values [9]string
	used   int
}

// Of returns the values of a header with one value.
func (v *Values) Of(s string) []string {
	if v.used == len(v.values) {
		return []string{s}
	}
	v.values[v.used] = s
	v.used++
	return v.values[v.used-1 : v.used : v.used]
}

// Both returns the values of a header with two fields.
func (v *Values) Both(first, second string) []string {
	if v.used+1 >= len(v.values) {
		return []string{first, second}
	}
	v.values[v.used], v.values[v.used+1] = first, second
	v.used += 2
	return v.values[v.used-2 : v.used : v.used]
}
