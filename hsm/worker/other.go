//go:build !linux

package worker

import (
	"context"
	"errors"

	"claviger/hsm"
)

var errSystem = errors.New("couldn't start the module's process: Claviger speaks to HSMs on Linux only")

// Start works on Linux only: elsewhere a process cannot be bound to its parent's
// life, nor asked for the code it holds.
func Start(context.Context, Options) (hsm.Module, error) { return nil, errSystem }

// Serve works on Linux only.
func Serve(func(path string) (hsm.Module, error)) error { return errSystem }
