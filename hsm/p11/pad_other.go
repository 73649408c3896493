//go:build cgo && !unix

package p11

import (
	"errors"

	"github.com/miekg/pkcs11"
)

// pad is missing here: the module's process runs on Linux only.
type pad struct{}

var errNoPad = errors.New("this system's program cannot have a PIN entered on the device")

func padOf(string) (pad, error)                    { return pad{}, errNoPad }
func (pad) initToken(uint, string) error           { return errNoPad }
func (pad) initPIN(pkcs11.SessionHandle) error     { return errNoPad }
func (pad) setPIN(pkcs11.SessionHandle) error      { return errNoPad }
func (pad) login(pkcs11.SessionHandle, uint) error { return errNoPad }
