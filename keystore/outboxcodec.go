package keystore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// outboxState is the record of an outbox, under its name alone.
type outboxState struct {
	Place uint64    `json:"place"`
	Seen  time.Time `json:"seen"` // when it was last wanted, to the hour or so
}

// messageRecord is the record of a message, of which the name says the rest.
type messageRecord struct {
	ID   string          `json:"id"`
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"`
}

// EncodeMessage returns the record of a message, without its name.
func EncodeMessage(m *Message) ([]byte, error) {
	record, err := json.Marshal(messageRecord{ID: m.ID, At: m.At.UTC(), Body: m.Body})
	if err != nil {
		return nil, fmt.Errorf("message %s about entry %d: %w", m.Kind, m.Seq, err)
	}
	return record, nil
}

// DecodeMessage reads a record of EncodeMessage.
func DecodeMessage(name MessageName, record []byte) (Message, error) {
	var r messageRecord
	if err := json.Unmarshal(record, &r); err != nil {
		return Message{}, fmt.Errorf("%w: message %s about entry %d: %w", ErrDamaged, name.Kind, name.Seq, err)
	}
	if r.ID == "" || len(r.Body) == 0 {
		return Message{}, fmt.Errorf("%w: message %s about entry %d has no ID or no body", ErrDamaged, name.Kind, name.Seq)
	}
	return Message{MessageName: name, ID: r.ID, At: r.At, Body: r.Body}, nil
}

// inOutbox begins the names of what is in an outbox: its name, and a zero byte, which
// is in no name.
func inOutbox(name string) []byte { return append([]byte(name), 0) }

// recordName is the name of a message in bucketWebhooks.
func (m MessageName) recordName(outbox string) []byte {
	return append(binary.BigEndian.AppendUint64(inOutbox(outbox), m.Seq), m.Kind...)
}

// messageNamed undoes recordName. The message is zero for the state of an outbox.
func messageNamed(record []byte) (outbox string, m MessageName, err error) {
	name, rest, isMessage := bytes.Cut(record, []byte{0})
	switch {
	case len(name) == 0, isMessage && len(rest) <= seqLen:
		return string(name), m, fmt.Errorf("%w: the name %s in an outbox", ErrDamaged, quoteName(record))
	case isMessage:
		m = MessageName{binary.BigEndian.Uint64(rest), string(rest[seqLen:])}
	}
	return string(name), m, nil
}

func sealJSON(bucket, name []byte, v any) ([]byte, error) {
	fields, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return seal(bucket, name, append(newSealed(len(fields)), fields...)), nil
}

func decodeOutboxState(name, value []byte) (s outboxState, err error) {
	fields, err := unseal(bucketWebhooks, name, value)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(fields, &s); err != nil {
		return s, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

// decodeOutboxRecord reads any record of bucketWebhooks. The message is zero for the
// state of an outbox.
func decodeOutboxRecord(name, value []byte) (Message, error) {
	_, m, err := messageNamed(name)
	if err != nil {
		return Message{}, err
	}
	if m.Kind == "" {
		_, err := decodeOutboxState(name, value)
		return Message{}, err
	}
	fields, err := unseal(bucketWebhooks, name, value)
	if err != nil {
		return Message{MessageName: m}, err
	}
	return DecodeMessage(m, fields)
}
