package keystore

import (
	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// journal reads all entries of a part, as the fold does.
func (c *checker) journal(_ *bolt.Tx, name, value []byte) (string, error) {
	if _, _, _, ok := runOf(name); !ok {
		return quoteName(name), errNoPart(name)
	}
	return "record " + partName(name) + " of the journal", checkPart(name, value)
}

func checkPart(name, value []byte) error {
	number, kind, day, _ := runOf(name)
	j := &journal{damaged: make(map[string]error)}
	r := &run{j: j, number: number, kind: kind, day: day}
	r.open(name, value)
	for len(r.rest) > 0 && r.entry() {
		var err error
		switch kind {
		case kindKeys:
			err = decodeUsageFields(r.fields, new(apikey.Usage))
		case kindSeen:
			_, err = decodeSighting(r.fields)
		default:
			err = decodeCharged(r.fields, new(apikey.WorkspaceUsage))
		}
		if err != nil {
			r.spoil(err)
		}
	}
	return j.damaged[string(name)]
}

func (c *checker) settled(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeSettled(name, value)
	return keyName(name), err
}
