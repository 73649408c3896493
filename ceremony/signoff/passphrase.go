package signoff

import (
	"encoding/binary"
	"fmt"

	"claviger/hsm/secret"
)

// Words is how many words a passphrase has: of 7776 words, 77 bits.
const Words = 6

// Passphrase draws a passphrase from a list of words.
func Passphrase(words []string) (*secret.Buffer, error) {
	const fewest, most = 1 << 12, 1 << 16
	if len(words) < fewest || len(words) > most {
		return nil, fmt.Errorf("couldn't draw a passphrase from %d words: the list must have %d to %d", len(words), fewest, most)
	}
	longest := 0
	for _, w := range words {
		longest = max(longest, len(w))
	}
	phrase := secret.New(Words * (longest + 1))
	for i := range Words {
		word, err := draw(words)
		if err != nil {
			phrase.Wipe()
			return nil, fmt.Errorf("couldn't draw a passphrase: %w", err)
		}
		if i > 0 {
			must(phrase.Append(' '))
		}
		must(phrase.Append([]byte(word)...))
	}
	return phrase, nil
}

// draw takes one word, each as likely as every other: a number above the last
// whole multiple of the list's length is drawn again.
func draw(words []string) (string, error) {
	even := 1<<16 - 1<<16%len(words)
	for {
		b, err := secret.Random(2)
		if err != nil {
			return "", err
		}
		n := int(binary.BigEndian.Uint16(b.Bytes()))
		b.Wipe()
		if n < even {
			return words[n%len(words)], nil
		}
	}
}
