package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"claviger/hsm/secret"
)

func TestFromMovesTheBytes(t *testing.T) {
	source := []byte("correct horse")
	b := secret.From(source)
	defer b.Wipe()
	if string(b.Bytes()) != "correct horse" || b.Len() != 13 || b.Cap() != 13 {
		t.Errorf("got %q, %d of %d", b.Bytes(), b.Len(), b.Cap())
	}
	if !bytes.Equal(source, make([]byte, 13)) {
		t.Errorf("the source still holds %q", source)
	}
}

func TestNeverGrows(t *testing.T) {
	b := secret.New(4)
	defer b.Wipe()
	if err := b.Append('a', 'b', 'c'); err != nil {
		t.Fatal(err)
	}
	if err := b.Append('d', 'e'); !errors.Is(err, secret.ErrFull) {
		t.Errorf("two bytes into one: %v", err)
	}
	if err := b.AppendRune('é'); !errors.Is(err, secret.ErrFull) {
		t.Errorf("two bytes of one character into one: %v", err)
	}
	if string(b.Bytes()) != "abc" {
		t.Errorf("a refused append left %q", b.Bytes())
	}
	if err := b.AppendRune('d'); err != nil {
		t.Error(err)
	}
	if err := b.Append(); err != nil {
		t.Errorf("nothing, into nothing: %v", err)
	}
	// A caller's append must not reach the page either.
	if more := append(b.Bytes(), 'x'); &more[0] == &b.Bytes()[0] {
		t.Error("append grew within the page")
	}
}

func TestTypedRunes(t *testing.T) {
	b := secret.New(64)
	defer b.Wipe()
	for _, r := range "pä€😀" {
		if err := b.AppendRune(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AppendRune(-1); err == nil {
		t.Error("-1 is a character")
	}
	if err := b.AppendRune(0xD800); err == nil {
		t.Error("half a surrogate pair is a character")
	}
	for _, want := range []rune{'😀', '€', 'ä', 'p', 0, 0} {
		if got := b.Backspace(); got != want {
			t.Errorf("took back %q, want %q", got, want)
		}
	}
	if b.Len() != 0 {
		t.Errorf("%d bytes left", b.Len())
	}
}

func TestReset(t *testing.T) {
	b := secret.From([]byte("gone"))
	defer b.Wipe()
	live := b.Bytes()
	b.Reset()
	if b.Len() != 0 || b.Cap() != 4 || !bytes.Equal(live, make([]byte, 4)) {
		t.Errorf("after Reset: %d of %d, %q", b.Len(), b.Cap(), live)
	}
	if err := b.Append([]byte("more")...); err != nil {
		t.Error(err)
	}
}

func TestWipe(t *testing.T) {
	b := secret.From([]byte("gone"))
	b.Wipe()
	b.Wipe()
	if b.Bytes() != nil || b.Len() != 0 || b.Cap() != 0 || b.Locked() {
		t.Error("something is left")
	}
	if b.Append('x') == nil || b.AppendRune('x') == nil || b.Backspace() != 0 {
		t.Error("a wiped secret can be written")
	}
	b.Reset()
	var none *secret.Buffer
	none.Wipe()
	none.Reset()
	if none.Bytes() != nil || none.Len() != 0 || none.Cap() != 0 || none.Append('x') == nil || none.Backspace() != 0 {
		t.Error("nil is not an empty secret")
	}
	if !none.Equal(b) {
		t.Error("nothing and nothing differ")
	}
	var zero secret.Buffer
	zero.Wipe()
}

func TestCloneAndEqual(t *testing.T) {
	a := secret.New(10)
	defer a.Wipe()
	if err := a.Append([]byte("same")...); err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	defer b.Wipe()
	if !a.Equal(b) || b.Cap() != 10 {
		t.Errorf("the copy is %q, %d", b.Bytes(), b.Cap())
	}
	b.Bytes()[0] = 'S'
	if a.Equal(b) || a.Bytes()[0] != 's' {
		t.Error("the copy shares its page")
	}
	if err := a.Append('s'); err != nil || a.Equal(b) {
		t.Error("different lengths are equal")
	}
}

func TestRandomAndRead(t *testing.T) {
	a, err := secret.Random(32)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Wipe()
	b, err := secret.Random(32)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Wipe()
	if a.Len() != 32 || a.Equal(b) {
		t.Error("two draws of 32 bytes are equal")
	}
	for _, n := range []int{0, -1} {
		if _, err := secret.Random(n); err == nil {
			t.Errorf("%d random bytes", n)
		}
	}
	if _, err := secret.Read(strings.NewReader("short"), 6); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("six bytes of five: %v", err)
	}
	if _, err := secret.Read(iotest.ErrReader(io.ErrClosedPipe), 6); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	five, err := secret.Read(strings.NewReader("shorter"), 5)
	if err != nil || string(five.Bytes()) != "short" {
		t.Errorf("got %v, %v", five, err)
	}
	five.Wipe()
}

// TestNothingPrintsIt tries every way a program prints or encodes a value.
func TestNothingPrintsIt(t *testing.T) {
	const text = "canary-7291"
	b := secret.From([]byte(text))
	defer b.Wipe()
	type holder struct {
		hidden  *secret.Buffer
		byValue secret.Buffer
		Open    *secret.Buffer
		Any     any
	}
	h := holder{b, *b, b, *b}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%T", "%p", "%t"} {
		for _, value := range []any{b, *b, h, &h, []*secret.Buffer{b}, []secret.Buffer{*b}, map[string]any{"k": h}} {
			fmt.Fprintf(&out, verb, value)
		}
	}
	fmt.Fprint(&out, b, *b, h)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("event", "secret", b, "value", *b, "holder", h)
	}
	for _, value := range []any{b, *b, h, map[string]any{"k": b}} {
		encoded, err := json.Marshal(value)
		if err == nil {
			t.Errorf("JSON encodes %T as %s", value, encoded)
		}
		out.Write(encoded)
		if err := gob.NewEncoder(&out).Encode(value); err == nil {
			t.Errorf("gob encodes %T", value)
		}
	}
	if b.String() != "[secret]" || fmt.Sprintf("%v %x %s", b, *b, b) != "[secret] [secret] [secret]" {
		t.Errorf("it calls itself %q", b)
	}
	printed := out.String()
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprint([]byte(text)), "99 97 110"} {
		if strings.Contains(printed, leak) {
			t.Errorf("%q was printed", leak)
		}
	}
}
