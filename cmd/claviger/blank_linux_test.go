package main

import (
	"path/filepath"
	"testing"

	"claviger/ceremony/site"
	"claviger/hsm/hsmtest"
	"claviger/ui/flow"
)

// TestBlankTokenIsReady: a token that nobody has initialised has no serial number
// yet, and is asked what it can do like any other; else no real site could ever be
// opened on it.
func TestBlankTokenIsReady(t *testing.T) {
	host, argv, err := self()
	if err != nil {
		t.Fatal(err)
	}
	_, env := hsmtest.Store(t)
	library, control := hsmtest.Shim(t)
	const hardwareSlot = 4 // CKF_HW_SLOT
	control.SlotFlags(hardwareSlot, 0)
	p := &program{setting: site.Setting{Dir: filepath.Join(t.TempDir(), "site"), Worker: argv, Host: host, Module: library, Env: env}}
	p.setting.Room = &p.relay
	if p.site, err = site.Create(t.Context(), p.setting, "Aurora Trust Services"); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	seen := p.token(t.Context(), p.site, flow.Start{})
	if seen.Fault != "" || seen.Info.Serial != "" || seen.Info.Initialised {
		t.Fatalf("a blank token without a serial number was to be found: %+v", seen)
	}
	if len(seen.Mechanisms) == 0 {
		t.Error("nobody asked the blank token what it can do")
	}
}
