//go:build !linux

package keystore

import bolt "go.etcd.io/bbolt"

// dropPages does nothing where it is not known how.
func dropPages(*bolt.Tx) {}
