package hsmtest_test

import (
	"context"
	"os"
	"testing"

	"claviger/hsm"
	"claviger/hsm/hsmtest"
	"claviger/hsm/p11"
	"claviger/hsm/worker"
)

// TestMain lets this binary be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if worker.Serve(p11.Open) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(ctx context.Context, path string, env []string) (hsm.Module, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return worker.Start(ctx, worker.Options{Argv: []string{self, "worker"}, ModulePath: path, Env: env})
}

func TestSoftHSM(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) *hsmtest.Token { return hsmtest.SoftHSM(t, start) })
	t.Run("keys are exactly as asked", func(t *testing.T) { hsmtest.Exact(t, hsmtest.SoftHSM(t, start)) })
}

// A shim that is told nothing changes nothing.
func TestShimPassesOn(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) *hsmtest.Token {
		k, _ := hsmtest.Shimmed(t, start)
		return k
	})
}
