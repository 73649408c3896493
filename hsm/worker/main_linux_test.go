package worker_test

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
		if err := worker.Serve(p11.Open); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "parent" {
		if err := parentMain(os.Args[2]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func options(path string, env []string) (worker.Options, error) {
	self, err := os.Executable()
	return worker.Options{Argv: []string{self, "worker"}, ModulePath: path, Env: env}, err
}

func start(ctx context.Context, path string, env []string) (hsm.Module, error) {
	o, err := options(path, env)
	if err != nil {
		return nil, err
	}
	return worker.Start(ctx, o)
}

func TestConformance(t *testing.T) {
	hsmtest.Run(t, func(t *testing.T) *hsmtest.Token { return hsmtest.SoftHSM(t, start) })
}
