package main

import (
	"net/http"
	"time"

	"github.com/socialpatra/keygate/bench/internal/websocket"
)

// A stream has so many events, each flushed, one every so long: as a backend that
// tells of what happens.
const (
	events = 100
	pause  = 2 * time.Millisecond
)

var event = []byte("data: {\"post\":7,\"state\":\"published\"}\n\n")

func stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for range events {
		if _, err := w.Write(event); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// echo answers each message with itself.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer conn.Close()
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + websocket.Accept(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		return
	}
	in, out := make([]byte, 4+websocket.MaxPayload), make([]byte, 0, 2+websocket.MaxPayload)
	for {
		message, err := websocket.ReadText(buffered, in)
		if err != nil {
			return // the client has left
		}
		if _, err := conn.Write(websocket.AppendText(out[:0], message, nil)); err != nil {
			return
		}
	}
}
