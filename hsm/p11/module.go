//go:build cgo

package p11

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/miekg/pkcs11"

	"claviger/hsm"
	"claviger/hsm/secret"
)

type module struct {
	ctx  *pkcs11.Ctx
	pad  pad
	path string
	open map[uint]int // sessions given out, by slot
}

var _ hsm.Module = (*module)(nil)

// Open loads the library at path and initialises it.
func Open(path string) (hsm.Module, error) {
	// dlopen says nothing through miekg/pkcs11, so what can be told is told first.
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("couldn't load the PKCS#11 module: %w", err)
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("couldn't load %s: it is not a PKCS#11 module for this machine, or a library it needs is missing (ldd shows which)", path)
	}
	pad, err := padOf(path)
	if err != nil {
		ctx.Destroy()
		return nil, err
	}
	err = ctx.Initialize()
	if hasCode(err, pkcs11.CKR_CANT_LOCK, pkcs11.CKR_NEED_TO_CREATE_THREADS) {
		// It has no locks for several threads; we are one.
		err = ctx.Initialize(pkcs11.InitializeWithFlags(0))
	}
	if err != nil {
		ctx.Destroy()
		return nil, refused("open the module", err)
	}
	return &module{ctx: ctx, pad: pad, path: path, open: make(map[uint]int)}, nil
}

// refused turns an error of miekg/pkcs11 into ours; one that is ours stays.
func refused(op string, err error) error {
	var rv pkcs11.Error
	if errors.As(err, &rv) {
		return failure(op, uint(rv))
	}
	var ours *hsm.Error
	if errors.As(err, &ours) {
		return err
	}
	return &hsm.Error{Class: hsm.Broken, Op: op, Why: err.Error()}
}

func hasCode(err error, rvs ...uint) bool {
	var rv pkcs11.Error
	return errors.As(err, &rv) && slices.Contains(rvs, uint(rv))
}

func (m *module) Info(ctx context.Context) (hsm.ModuleInfo, error) {
	if err := ctx.Err(); err != nil {
		return hsm.ModuleInfo{}, err
	}
	info, err := m.ctx.GetInfo()
	if err != nil {
		return hsm.ModuleInfo{}, refused("read what the module says of itself", err)
	}
	sum, err := hashFile(m.path)
	if err != nil {
		return hsm.ModuleInfo{}, fmt.Errorf("couldn't hash the PKCS#11 module: %w", err)
	}
	return hsm.ModuleInfo{
		Path:         m.path,
		SHA256:       sum,
		Manufacturer: clean(info.ManufacturerID),
		Description:  clean(info.LibraryDescription),
		Version:      version(info.LibraryVersion),
		Cryptoki:     version(info.CryptokiVersion),
	}, nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// clean makes a fixed-width field of PKCS#11 into text. Fields are padded with
// blanks; some modules pad with zeros.
func clean(s string) string {
	return strings.ToValidUTF8(strings.TrimRight(s, " \x00"), "\uFFFD")
}

func version(v pkcs11.Version) string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// slot is one slot with a token in it.
type slot struct {
	id    uint
	info  pkcs11.SlotInfo
	token pkcs11.TokenInfo
}

func (m *module) slots(op string) ([]slot, error) {
	ids, err := m.ctx.GetSlotList(true)
	if err != nil {
		return nil, refused(op, err)
	}
	var list []slot
	for _, id := range ids {
		s := slot{id: id}
		s.info, err = m.ctx.GetSlotInfo(id)
		if err == nil {
			s.token, err = m.ctx.GetTokenInfo(id)
		}
		if hasCode(err, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_SLOT_ID_INVALID, pkcs11.CKR_TOKEN_NOT_RECOGNIZED) {
			continue // taken out since the list was made
		}
		if err != nil {
			return nil, refused(op, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// find gives the one slot whose token has this serial number.
func (m *module) find(op, serial string) (slot, error) {
	all, err := m.slots(op)
	if err != nil {
		return slot{}, err
	}
	var found []slot
	for _, s := range all {
		if clean(s.token.SerialNumber) == serial {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return slot{}, &hsm.Error{Class: hsm.Gone, Op: op, Why: fmt.Sprintf("no token with serial number %q is connected", serial)}
	}
	return slot{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("%d tokens have the serial number %q: leave only one connected", len(found), serial)}
}

func (m *module) Tokens(ctx context.Context) ([]hsm.TokenInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := m.slots("list the tokens")
	if err != nil {
		return nil, err
	}
	var tokens []hsm.TokenInfo
	for _, s := range all {
		t, err := m.describe(s)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

func (m *module) describe(s slot) (hsm.TokenInfo, error) {
	has := func(f uint) bool { return s.token.Flags&f != 0 }
	t := hsm.TokenInfo{
		Serial:          clean(s.token.SerialNumber),
		Label:           clean(s.token.Label),
		Manufacturer:    clean(s.token.ManufacturerID),
		Model:           clean(s.token.Model),
		HardwareVersion: version(s.token.HardwareVersion),
		FirmwareVersion: version(s.token.FirmwareVersion),
		SlotDescription: clean(s.info.SlotDescription),
		HardwareSlot:    s.info.Flags&pkcs11.CKF_HW_SLOT != 0,
		Initialised:     has(pkcs11.CKF_TOKEN_INITIALIZED),
		UserPINSet:      has(pkcs11.CKF_USER_PIN_INITIALIZED),
		UserPINCountLow: has(pkcs11.CKF_USER_PIN_COUNT_LOW),
		UserPINFinalTry: has(pkcs11.CKF_USER_PIN_FINAL_TRY),
		UserPINLocked:   has(pkcs11.CKF_USER_PIN_LOCKED),
		SOPINCountLow:   has(pkcs11.CKF_SO_PIN_COUNT_LOW),
		SOPINFinalTry:   has(pkcs11.CKF_SO_PIN_FINAL_TRY),
		SOPINLocked:     has(pkcs11.CKF_SO_PIN_LOCKED),
		ProtectedPath:   has(pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH),
		Random:          has(pkcs11.CKF_RNG),
		MinPIN:          told(s.token.MinPinLen),
		MaxPIN:          told(s.token.MaxPinLen),
		PublicMemory:    memory(s.token.TotalPublicMemory, s.token.FreePublicMemory),
		PrivateMemory:   memory(s.token.TotalPrivateMemory, s.token.FreePrivateMemory),
		MaxSessions:     told(s.token.MaxSessionCount),
	}
	if !t.Initialised {
		return t, nil
	}
	mark, err := m.practiceMark(s.id, fmt.Sprintf("look for the practice mark on the token %q (%s)", t.Label, t.Serial))
	t.PracticeMark = mark
	return t, err
}

// told is 0 for CK_UNAVAILABLE_INFORMATION.
func told(n uint) int {
	if n == ^uint(0) {
		return 0
	}
	return int(n)
}

func memory(total, free uint) hsm.Memory {
	if total == ^uint(0) || free == ^uint(0) {
		return hsm.Memory{}
	}
	return hsm.Memory{Told: true, Total: int(total), Free: int(free)}
}

// practiceMark looks for the public data object that says a token is for
// practice. Public objects are seen without login.
func (m *module) practiceMark(slotID uint, op string) (bool, error) {
	h, err := m.ctx.OpenSession(slotID, pkcs11.CKF_SERIAL_SESSION)
	if hasCode(err, pkcs11.CKR_SESSION_READ_WRITE_SO_EXISTS) {
		// The security officer is logged in: PKCS#11 then allows no session that
		// only reads.
		h, err = m.ctx.OpenSession(slotID, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	}
	if err != nil {
		return false, refused(op, err)
	}
	s := &session{m: m, h: h}
	found, err := s.search(op, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_DATA)),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, hsm.PracticeMark),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
	})
	if err != nil {
		_ = m.ctx.CloseSession(h)
		return false, err
	}
	if err := m.ctx.CloseSession(h); err != nil {
		return false, refused(op, err)
	}
	return len(found) > 0, nil
}

func (m *module) Mechanisms(ctx context.Context, serial string) ([]hsm.Mechanism, error) {
	const op = "list the token's mechanisms"
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := m.find(op, serial)
	if err != nil {
		return nil, err
	}
	numbers, err := m.ctx.GetMechanismList(s.id)
	if err != nil {
		return nil, refused(op, err)
	}
	var list []hsm.Mechanism
	for _, n := range numbers {
		info, err := m.ctx.GetMechanismInfo(s.id, []*pkcs11.Mechanism{n})
		// One that is listed and unknown when asked is told with no use.
		if err != nil && !hasCode(err, pkcs11.CKR_MECHANISM_INVALID) {
			return nil, refused(op, err)
		}
		list = append(list, hsm.Mechanism{
			Name: mechanismName(n.Mechanism), Min: info.MinKeySize, Max: info.MaxKeySize, Flags: mechanismFlags(info.Flags),
		})
	}
	return list, nil
}

// InitToken finds the token again by its label, and by a serial number that was
// its own or is new: SoftHSM gives its free slot one in the initialisation.
func (m *module) InitToken(ctx context.Context, serial, label string, so *secret.Buffer) (hsm.TokenInfo, error) {
	const op = "initialise the token"
	if err := ctx.Err(); err != nil {
		return hsm.TokenInfo{}, err
	}
	if label == "" || len(label) > 32 || strings.HasSuffix(label, " ") {
		return hsm.TokenInfo{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("a token's label has 1 to 32 bytes and does not end in a blank; %q has not", label)}
	}
	before, err := m.slots(op)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	target, err := toInitialise(op, before, serial)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	if err := m.initToken(op, target, label, so); err != nil {
		return hsm.TokenInfo{}, err
	}
	after, err := m.slots(op)
	if err != nil {
		return hsm.TokenInfo{}, err
	}
	known := func(serial string) bool {
		return slices.ContainsFunc(before, func(s slot) bool { return clean(s.token.SerialNumber) == serial })
	}
	var found []slot
	for _, s := range after {
		now := clean(s.token.SerialNumber)
		initialised := s.token.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0
		if clean(s.token.Label) == label && initialised && now != "" && (now == serial || !known(now)) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return hsm.TokenInfo{}, &hsm.Error{Class: hsm.Broken, Op: op, Why: fmt.Sprintf("the module reported success, but shows %d new tokens labelled %q", len(found), label)}
	}
	return m.describe(found[0])
}

func (m *module) initToken(op string, target slot, label string, so *secret.Buffer) error {
	pad, err := atPad(op, target.token.Flags, so)
	switch {
	case err != nil:
		return err
	case pad:
		if err := m.pad.initToken(target.id, label); err != nil {
			return refusedAtPad(op, err)
		}
		return nil
	}
	if err := m.ctx.InitToken(target.id, lend(so), label); err != nil {
		return refused(op, err)
	}
	return nil
}

func toInitialise(op string, all []slot, serial string) (slot, error) {
	var found []slot
	for _, s := range all {
		free := serial == "" && s.token.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0
		if clean(s.token.SerialNumber) == serial && (serial != "" || free) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return slot{}, &hsm.Error{Class: hsm.NotAllowed, Op: op, Why: fmt.Sprintf("%d tokens have the serial number %q: leave only one connected", len(found), serial)}
	case serial == "":
		return slot{}, &hsm.Error{Class: hsm.Gone, Op: op, Why: "no uninitialised token without a serial number is connected"}
	}
	return slot{}, &hsm.Error{Class: hsm.Gone, Op: op, Why: fmt.Sprintf("no token with serial number %q is connected", serial)}
}

func (m *module) Open(ctx context.Context, serial string) (hsm.Session, error) {
	const op = "open a session with the token"
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := m.find(op, serial)
	if err != nil {
		return nil, err
	}
	h, err := m.ctx.OpenSession(s.id, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return nil, refused(op, err)
	}
	m.open[s.id]++
	return &session{m: m, h: h, slot: s.id, serial: serial}, nil
}

func (m *module) Close() error {
	if m.ctx == nil {
		return nil
	}
	err := m.ctx.Finalize()
	m.ctx.Destroy()
	m.ctx = nil
	if err != nil {
		return refused("close the module", err)
	}
	return nil
}

// lend shows a PIN as the string that miekg/pkcs11 asks for, without a copy. The
// string must not outlive the call it is made for.
func lend(pin *secret.Buffer) string {
	b := pin.Bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}
