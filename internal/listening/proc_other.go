//go:build !linux

package listening

import "errors"

type listener struct {
	Address
	inode uint64
}

func ports() ([]listener, error)               { return nil, errors.ErrUnsupported }
func sockets() ([]listener, error)             { return nil, errors.ErrUnsupported }
func inodesOf(string) (map[uint64]bool, error) { return nil, errors.ErrUnsupported }
func accepterOf(string) (int, bool)            { return 0, false }
func ownerOf(uint64) int                       { return 0 }
func ownersOf(inodes []uint64) [][]int         { return make([][]int, len(inodes)) }
