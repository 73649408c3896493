package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256 value. Its text is 64 lower-case hex digits and nothing else.
type Hash tlog.Hash

// LeafHash is the RFC 6962 leaf hash of a record's bytes: SHA-256(0x00 ‖ bytes).
func LeafHash(bytes []byte) Hash { return Hash(tlog.RecordHash(bytes)) }

// BlobHash is the SHA-256 under which a blob is stored and referred to.
func BlobHash(b []byte) Hash { return sha256.Sum256(b) }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is all zeros, as prev is in record 0.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes 64 lower-case hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes and refuses every other spelling.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("a hash has 64 hex digits, this has %d", len(text))
	}
	var raw Hash
	if _, err := hex.Decode(raw[:], text); err != nil || hasUpper(text) {
		return errHex
	}
	*h = raw
	return nil
}

// ParseHash reads 64 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	err := h.UnmarshalText([]byte(s))
	return h, err
}

var errHex = errors.New("bytes are written as lower-case hex digits, two a byte")

func parseHex(s string) ([]byte, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || hasUpper(s) {
		return nil, errHex
	}
	return raw, nil
}

func hasUpper[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'F' {
			return true
		}
	}
	return false
}
