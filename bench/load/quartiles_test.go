package main

import "testing"

func TestQuartiles(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   [3]float64
	}{
		"one":      {[]float64{7}, [3]float64{7, 7, 7}},
		"two":      {[]float64{4, 0}, [3]float64{1, 2, 3}},
		"five":     {[]float64{5, 1, 4, 2, 3}, [3]float64{2, 3, 4}},
		"an outer": {[]float64{1, 1, 1, 1, 90}, [3]float64{1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			first, median, third := quartiles(test.values)
			if got := [3]float64{first, median, third}; got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
	values := []float64{2, 1}
	if quartiles(values); values[0] != 2 {
		t.Error("what is given is sorted")
	}
}
