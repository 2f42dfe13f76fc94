package redis

import "context"

// scanCount is how many keys of the engine one step looks at.
const scanCount = 1000

// Scan calls yield with the names of all keys that begin with a prefix, some at
// a time and some of them twice. What is added or removed meanwhile may be
// missing. It looks at every key that the engine has. An error of yield ends it.
func (c *Conn) Scan(prefix string, yield func(names []string) error) error {
	masters, err := c.masters()
	if err != nil {
		return err
	}
	for _, node := range masters {
		for cursor, more := uint64(0), true; more; {
			ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
			page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(prefix+"*").Count(scanCount).Build()).AsScanEntry()
			cancel()
			if err != nil {
				return c.explain(err)
			}
			if len(page.Elements) > 0 {
				if err := yield(page.Elements); err != nil {
					return err
				}
			}
			cursor, more = page.Cursor, page.Cursor != 0
		}
	}
	return nil
}
