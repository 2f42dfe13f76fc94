//go:build !linux

package doctor

// diskOf tells nothing on this system.
func diskOf(string) (Disk, error) { return Disk{}, errUntold }
