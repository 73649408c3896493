//go:build !linux

package sqlite

import (
	"errors"
	"os"
)

var errReadOnly = errors.New("a ledger is written on Linux only; here it can be read and verified")

type lock struct{}

func takeLock(string) (*lock, error) { return nil, errReadOnly }

func (*lock) release() error { return nil }

func checkAlone(string) error { return errReadOnly }

type reserve struct{}

func newReserve(string) *reserve { return &reserve{} }

func (*reserve) grow(int64) error { return errReadOnly }

func (*reserve) release() bool { return false }

func full(err error) error { return err }

func dropCache(*os.File) {}
