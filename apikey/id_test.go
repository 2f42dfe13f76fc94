package apikey

import (
	"encoding/json"
	"testing"
)

func TestParseID(t *testing.T) {
	if id, err := ParseID(testID); err != nil || id.String() != testID {
		t.Errorf("ParseID = %v, %v", id, err)
	}
	for _, s := range []string{"", "7Hk2Qp9aX3b", "7Hk2Qp9aX3bCd", "7Hk2Qp9aX3b_", "7Hk2Qp9aX3\xc3\xa4", "7Hk2Qp9aX3b\n"} {
		if id, err := ParseID(s); err == nil || !id.IsZero() {
			t.Errorf("ParseID(%q) = %v, %v", s, id, err)
		}
	}
}

func TestIDInJSON(t *testing.T) {
	type doc struct{ ID ID }
	for _, want := range []string{`{"ID":"7Hk2Qp9aX3bC"}`, `{"ID":""}`} {
		var d doc
		d.ID[0] = 'x' // must be overwritten
		if err := json.Unmarshal([]byte(want), &d); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(d); err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	if err := json.Unmarshal([]byte(`{"ID":"short"}`), new(doc)); err == nil {
		t.Error("a short ID is accepted")
	}
}
