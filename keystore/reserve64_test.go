//go:build linux && !386 && !arm && !mips && !mipsle

package keystore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// openWithLittle is what a process with little address space left does: it opens
// the store, changes it, reads it back and says how it went.
func openWithLittle(path, left string) error {
	bytes, err := strconv.ParseUint(left, 10, 64)
	if err != nil {
		return err
	}
	statm, err := os.ReadFile("/proc/self/statm") // in pages; the race detector takes very many
	if err != nil {
		return err
	}
	pages, _, _ := strings.Cut(string(statm), " ")
	taken, err := strconv.ParseUint(pages, 10, 64)
	if err != nil {
		return err
	}
	bytes += taken * uint64(os.Getpagesize())
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		return err
	}
	b, err := OpenBolt(path)
	if err != nil {
		return err
	}
	if err := b.SetBrand("acme"); err != nil {
		return err
	}
	keys, err := b.Check(func(_ string, problem error) { fmt.Println(problem) })
	if err != nil {
		return err
	}
	fmt.Println(keys, "keys;", strings.Join(b.About().Warnings, "; "))
	return b.Close()
}

// The store opens with any address space in which Go itself runs, and says what it
// lacks.
func TestLittleAddressSpace(t *testing.T) {
	if limit := os.Getenv("KEYGATE_TEST_ADDRESS_SPACE"); limit != "" {
		if err := openWithLittle(os.Getenv("KEYGATE_TEST_STORE"), limit); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, test := range []struct {
		left uint64 // in MiB
		want string
	}{
		{16 << 10, "3 keys; \n"},
		{6 << 10, "3 keys; 1024 MiB of address space are mapped ahead, not 8192"},
		{800, "3 keys; 256 MiB of address space are mapped ahead, not 8192"},
	} {
		t.Run(fmt.Sprint(test.left), func(t *testing.T) {
			path := writeStore(t, 3)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLittleAddressSpace$", "-test.v")
			cmd.Env = append(os.Environ(), "KEYGATE_TEST_STORE="+path, "KEYGATE_TEST_ADDRESS_SPACE="+strconv.FormatUint(test.left<<20, 10))
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.want) {
				t.Errorf("%v: %s; want %s", err, out, test.want)
			}
		})
	}
}

// Whatever is refused, the next smaller reservation is tried, to none.
func TestReservations(t *testing.T) {
	path := writeStore(t, 1)
	const tooLarge = 1 << 47 // all that there is of 128 TiB
	for _, test := range []struct {
		reservations []int
		warned       string // "": not at all
		err          error
	}{
		{[]int{0}, "", nil},
		{[]int{tooLarge, 0}, "0 MiB of address space are mapped ahead, not 134217728", nil},
		{[]int{tooLarge, tooLarge, 64 << 20, 0}, "64 MiB", nil},
		{[]int{tooLarge, tooLarge}, "", syscall.ENOMEM},
	} {
		b := newBolt(path)
		err := b.openReserving(path, test.reservations)
		if !errors.Is(err, test.err) {
			t.Errorf("%v: %v, want %v", test.reservations, err, test.err)
		}
		if got := strings.Join(b.about.Warnings, ""); !strings.HasPrefix(got, test.warned) || (got == "") != (test.warned == "") {
			t.Errorf("%v: warned %q, want %s", test.reservations, got, test.warned)
		}
		if err == nil {
			b.db.Close()
		}
	}
	if all := reservations(); all[len(all)-1] != 0 {
		t.Errorf("the last of %v is not nothing", all)
	}
}
