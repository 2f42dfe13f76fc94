package main

import "slices"

// quartiles returns the first quartile, the median and the third quartile of at least
// one value. One that lies between two values is interpolated.
func quartiles(values []float64) (first, median, third float64) {
	sorted := slices.Sorted(slices.Values(values))
	at := func(share float64) float64 {
		place := share * float64(len(sorted)-1)
		i := int(place)
		if i+1 == len(sorted) {
			return sorted[i]
		}
		return sorted[i] + (place-float64(i))*(sorted[i+1]-sorted[i])
	}
	return at(0.25), at(0.5), at(0.75)
}
