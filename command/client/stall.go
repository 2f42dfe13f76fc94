package client

import (
	"context"
	"errors"
	"io"
	"time"
)

var errStalled = errors.New("nothing moved for " + stallTimeout.String())

// stallWatch ends a call in which nothing has moved for the duration most. It is
// for calls that may take any time while something moves.
type stallWatch struct {
	ctx    context.Context // of the call
	cancel context.CancelCauseFunc
	timer  *time.Timer
	most   time.Duration
}

func watchStalls(ctx context.Context, most time.Duration) *stallWatch {
	w := &stallWatch{most: most}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(most, func() { w.cancel(errStalled) })
	return w
}

// cause returns the cause of err, which comes from the call or a body.
func (w *stallWatch) cause(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}

func (w *stallWatch) moved() { w.timer.Reset(w.most) }

func (w *stallWatch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// request wraps the body of the request, to notice that it moves.
func (w *stallWatch) request(body io.Reader) io.ReadCloser {
	return &watchedBody{io.NopCloser(body), w, func() {}}
}

// answer wraps the body of the answer, to notice that it moves. Closing it ends
// the call.
func (w *stallWatch) answer(body io.ReadCloser) io.ReadCloser {
	return &watchedBody{body, w, w.stop}
}

type watchedBody struct {
	io.ReadCloser
	watch  *stallWatch
	closed func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watch.moved()
	}
	return n, b.watch.cause(err)
}

func (b *watchedBody) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}
