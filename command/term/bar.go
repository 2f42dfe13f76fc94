package term

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/socialpatra/keygate/internal/english"
)

// ImportBar shows on one line of a terminal how far an import is: how much of
// the file was sent, which the server checks as it comes, and then how many
// keys are ready to be written. Its methods may be called at once.
type ImportBar struct {
	mu    sync.Mutex
	Out   io.Writer
	Width int   // columns of the terminal; 0: there is none, and nothing is shown
	Size  int64 // of the file, in bytes; 0: unknown
	shown string
	ended bool
}

// Body returns a body whose reading moves the bar, from the start of it.
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

// show draws only what differs from what is there.
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

// End leaves the line empty, for what is to be said next.
func (b *ImportBar) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown != "" {
		fmt.Fprint(b.Out, "\r", eraseLine)
	}
	b.ended = true
}

// eraseLine erases from the cursor to the line's end on ANSI terminals.
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

// barText returns a line of fewer columns than width, of which share, 0 to 1,
// is done. A bar too short to tell anything is left out.
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
