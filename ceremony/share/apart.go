package share

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"claviger/hsm/secret"
)

// CheckText says why a typed card is not the one with this fingerprint, "" if it
// is. It tells no letter of the card.
func CheckText(text *secret.Buffer, fingerprint [32]byte, practice bool) (string, error) {
	card, err := ParseCard(text, practice)
	var told *Error
	if errors.As(err, &told) {
		return told.Why, nil
	}
	if err != nil {
		return "", err
	}
	defer card.Wipe()
	if card.Fingerprint() != fingerprint {
		return fmt.Sprintf("this is a whole card, number %d of the set %s, and not the one that was asked for", card.Index, Name(card.Set)), nil
	}
	return "", nil
}

// Apart gives CheckText in a process of its own for each card: argv starts a
// program that calls [ServeCheck]. The card goes there over a pipe and what comes
// back is a sentence; the memory that held the card ends with the process.
func Apart(argv ...string) func(ctx context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (string, error) {
	return func(ctx context.Context, text *secret.Buffer, fingerprint [32]byte, practice bool) (string, error) {
		in, out, err := os.Pipe()
		if err != nil {
			return "", fmt.Errorf("couldn't open a pipe to the process that checks a card: %w", err)
		}
		defer in.Close()
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env, cmd.ExtraFiles = []string{}, []*os.File{in}
		var said bytes.Buffer
		cmd.Stdout = &said
		if err := cmd.Start(); err != nil {
			return "", errors.Join(fmt.Errorf("couldn't start the process that checks a card: %w", err), out.Close())
		}
		head := binary.BigEndian.AppendUint32([]byte{0}, uint32(text.Len()))
		if practice {
			head[0] = 1
		}
		_, err = out.Write(append(head, fingerprint[:]...))
		if err == nil {
			_, err = out.Write(text.Bytes())
		}
		if err = errors.Join(err, out.Close(), cmd.Wait()); err != nil {
			return "", fmt.Errorf("couldn't check a card in a process of its own: %w", err)
		}
		answer, ok := strings.CutPrefix(said.String(), verdict)
		if !ok {
			return "", errors.New("couldn't check a card: the process that does it gave no answer")
		}
		return answer, nil
	}
}

// verdict begins the answer, so that no answer is never taken for a good one.
const verdict = "checked: "

// ServeCheck is the whole main of the process that checks one card.
func ServeCheck() error {
	secret.Harden()
	in := os.NewFile(3, "card")
	head := make([]byte, 5+32)
	if _, err := io.ReadFull(in, head); err != nil {
		return fmt.Errorf("couldn't read what card is asked for: %w", err)
	}
	n := binary.BigEndian.Uint32(head[1:5])
	if n == 0 || n > uint32(4*TextLen) {
		return fmt.Errorf("couldn't read a card of %d characters", n)
	}
	text, err := secret.Read(in, int(n))
	if err != nil {
		return err
	}
	defer text.Wipe()
	why, err := CheckText(text, [32]byte(head[5:]), head[0] == 1)
	if err != nil {
		return err
	}
	_, err = fmt.Print(verdict + why)
	return err
}
