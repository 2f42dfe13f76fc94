package term

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/socialpatra/keygate/internal/english"
)

// ImportBar shows the progress of an import on one line of a terminal. First it
// shows how much of the file was sent, which the server checks while it arrives,
// and then how many keys are ready to be written. Its methods are safe for
// concurrent use.
type ImportBar struct {
	mu    sync.Mutex
	Out   io.Writer
	Width int   // columns of the terminal; 0: no terminal, so nothing is shown
	Size  int64 // of the file, in bytes; 0: unknown
	shown string
	ended bool
}

// Body returns a body that advances the bar while it is read, starting at zero.
func (b *ImportBar) Body(r io.ReadCloser) io.ReadCloser { return &barBody{ReadCloser: r, bar: b} }

type barBody struct {
	io.ReadCloser
	bar  *ImportBar
	sent int64
}

func (body *barBody) Read(p []byte) (int, error) {
	n, err := body.ReadCloser.Read(p)
	body.sent += int64(n)
	body.bar.show(func(width int) string { return readingText(body.sent, body.bar.Size, width) })
	return n, err
}

func (b *ImportBar) Stored(done, all int) {
	b.show(func(width int) string { return storingText(done, all, width) })
}

// show draws the line if it has changed.
func (b *ImportBar) show(line func(width int) string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Width == 0 || b.ended {
		return
	}
	text := line(b.Width)
	if text == b.shown {
		return
	}
	b.shown = text
	fmt.Fprint(b.Out, "\r", text, eraseLine)
}

// End clears the line for the next output.
func (b *ImportBar) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown != "" {
		fmt.Fprint(b.Out, "\r", eraseLine)
	}
	b.ended = true
}

// eraseLine is the ANSI sequence that erases from the cursor to the end of the
// line.
const eraseLine = "\x1b[K"

func readingText(sent, size int64, width int) string {
	if size == 0 {
		return cut("Checking  "+Megabytes(sent), width-1)
	}
	return barText("Checking", float64(sent)/float64(size), Megabytes(sent)+" of "+Megabytes(size), width)
}

func storingText(done, all, width int) string {
	if done == all {
		return barText("Storing ", 1, "writing to disk", width)
	}
	return barText("Storing ", float64(done)/float64(all), fmt.Sprintf("%d of %s", done, english.Plural(all, "key")), width)
}

// barText returns a line of fewer columns than width. share, 0 to 1, is the part
// that is done. A bar too short to be useful is left out.
func barText(what string, share float64, note string, width int) string {
	const least, most = 5, 40
	share = min(share, 1) // the file may have grown
	left := fmt.Sprintf("%s %3d %%  ", what, int(share*100))
	room := min(width-1-len(left)-len(note)-len("[]  "), most)
	if room < least {
		return cut(left+note, width-1)
	}
	full := int(share * float64(room))
	return left + "[" + strings.Repeat("#", full) + strings.Repeat("-", room-full) + "]  " + note
}
