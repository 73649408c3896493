// Package secret holds the bytes that must not stay behind: PINs, passphrases,
// shares, imported keys, the random bytes they are made of.
//
// # What it promises
//
// A [Buffer] lives in pages of its own outside Go's heap: the collector never
// copies it, it never grows (growing would copy), it is zeroed before the pages
// go back to the system. Where the system allows, the pages are locked (not
// swapped) and left out of core dumps; [Buffer.Locked] and [Harden] say where
// it did not. No way of printing, logging or encoding a Buffer shows its bytes.
//
// # What it does not promise
//
// Whoever calls [Buffer.Bytes] can copy them, and Go's own libraries do: a
// cipher's key schedule, a string made for a C call, registers and stacks are
// outside. Seen in tests: a thread that Go interrupts leaves its registers, with
// what the last copy put there, on its signal stack; GODEBUG=asyncpreemptoff=1 in
// the environment stops that. A person with the rights of root reads any process.
//
// # Ownership
//
// A Buffer has one owner, who wipes it; it belongs to one goroutine. Passing it
// lends it. Nothing wipes it for you: a Buffer dropped without [Buffer.Wipe]
// keeps its page until the process ends.
package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"unicode/utf8"
	"unsafe"
)

// ErrFull says that the buffer's capacity, fixed when it was made, is used up.
var ErrFull = errors.New("the secret's buffer is full")

var (
	errWiped   = errors.New("the secret is already wiped")
	errEncoded = errors.New("a secret is never encoded")
)

const shown = "[secret]"

// Buffer is one secret. The zero Buffer and a nil *Buffer are wiped ones.
type Buffer struct{ p *page }

type page struct {
	// Not a slice: fmt calls no method of a value in an unexported field or under
	// a verb that does not fit, and follows everything else. This it cannot follow.
	base   unsafe.Pointer
	size   int // of the whole mapping
	cap    int // what the caller asked for
	n      int // live bytes
	locked bool
}

func (p *page) mem() []byte { return unsafe.Slice((*byte)(p.base), p.size) }

// New makes an empty buffer for up to capacity bytes.
func New(capacity int) *Buffer {
	if capacity < 0 {
		panic("secret: negative capacity")
	}
	mem, locked := alloc(max(capacity, 1))
	return &Buffer{&page{base: unsafe.Pointer(unsafe.SliceData(mem)), size: len(mem), cap: capacity, locked: locked}}
}

// From moves b into a new buffer: b is zero afterwards.
func From(b []byte) *Buffer {
	s := New(len(b))
	s.p.n = copy(s.p.mem(), b)
	clear(b)
	return s
}

// Random fills a new buffer with n bytes of the system's generator.
func Random(n int) (*Buffer, error) {
	if n <= 0 {
		return nil, fmt.Errorf("couldn't draw %d random bytes: ask for at least one", n)
	}
	return Read(rand.Reader, n)
}

// Read fills a new buffer with exactly n bytes of r, which writes them straight
// into the buffer's page.
func Read(r io.Reader, n int) (*Buffer, error) {
	s := New(n)
	if _, err := io.ReadFull(r, s.p.mem()[:n]); err != nil {
		s.Wipe()
		return nil, fmt.Errorf("couldn't read a secret of %d bytes: %w", n, err)
	}
	s.p.n = n
	return s, nil
}

// Bytes are the live bytes themselves, not a copy. They must not be used after
// Wipe: the page is gone, the program would stop.
func (b *Buffer) Bytes() []byte {
	if b == nil || b.p == nil {
		return nil
	}
	return b.p.mem()[:b.p.n:b.p.n]
}

func (b *Buffer) Len() int {
	if b == nil || b.p == nil {
		return 0
	}
	return b.p.n
}

func (b *Buffer) Cap() int {
	if b == nil || b.p == nil {
		return 0
	}
	return b.p.cap
}

// Locked says whether the system keeps the page out of swap.
func (b *Buffer) Locked() bool { return b != nil && b.p != nil && b.p.locked }

// Append adds all of p or, with ErrFull, nothing.
func (b *Buffer) Append(p ...byte) error {
	if b == nil || b.p == nil {
		return errWiped
	}
	if len(p) > b.p.cap-b.p.n {
		return ErrFull
	}
	b.p.n += copy(b.p.mem()[b.p.n:], p)
	return nil
}

// AppendRune adds r in UTF-8.
func (b *Buffer) AppendRune(r rune) error {
	if b == nil || b.p == nil {
		return errWiped
	}
	if !utf8.ValidRune(r) {
		return errors.New("not a character")
	}
	if utf8.RuneLen(r) > b.p.cap-b.p.n {
		return ErrFull
	}
	b.p.n += utf8.EncodeRune(b.p.mem()[b.p.n:], r)
	return nil
}

// Backspace removes the last character and returns it; 0 if there is none.
func (b *Buffer) Backspace() rune {
	live := b.Bytes()
	if len(live) == 0 {
		return 0
	}
	r, size := utf8.DecodeLastRune(live)
	clear(live[len(live)-size:])
	b.p.n -= size
	return r
}

// Reset zeroes the content and keeps the page.
func (b *Buffer) Reset() {
	if b == nil || b.p == nil {
		return
	}
	clear(b.p.mem())
	b.p.n = 0
}

// Clone copies the live bytes into a buffer of the same capacity, with an
// owner of its own.
func (b *Buffer) Clone() *Buffer {
	c := New(b.Cap())
	c.p.n = copy(c.p.mem(), b.Bytes())
	return c
}

// Equal compares in time that depends on the lengths only.
func (b *Buffer) Equal(other *Buffer) bool {
	return subtle.ConstantTimeCompare(b.Bytes(), other.Bytes()) == 1
}

// Wipe zeroes the pages and gives them back. It may be called again.
func (b *Buffer) Wipe() {
	if b == nil || b.p == nil {
		return
	}
	mem := b.p.mem()
	clear(mem)
	// The compiler must not see the zeroing as a store nobody reads.
	runtime.KeepAlive(mem)
	free(mem)
	b.p = nil
}

// The methods below take a value, so that a Buffer printed by value is as mute
// as one printed by pointer.

func (Buffer) String() string       { return shown }
func (Buffer) GoString() string     { return shown }
func (Buffer) LogValue() slog.Value { return slog.StringValue(shown) }

// Format answers every verb, %x and %q included.
func (Buffer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(shown)) }

func (Buffer) MarshalText() ([]byte, error)   { return nil, errEncoded }
func (Buffer) MarshalJSON() ([]byte, error)   { return nil, errEncoded }
func (Buffer) MarshalBinary() ([]byte, error) { return nil, errEncoded }
