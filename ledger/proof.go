package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows, to someone who has nothing but it and the ledger key, that a
// record stands in the ledger (C2SP tlog-proof).
type Proof struct {
	Seq  int64
	Path []Hash
	// Note is the signed checkpoint that the path leads to.
	Note string
}

// ProveInclusion is the path from record seq to the root of the first size records.
func ProveInclusion(_ context.Context, r tlog.HashReader, seq, size int64) ([]Hash, error) {
	p, err := tlog.ProveRecord(size, seq, r)
	if err != nil {
		return nil, fmt.Errorf("couldn't prove record %d of %d: %w", seq, size, err)
	}
	path := make([]Hash, len(p))
	for i, h := range p {
		path[i] = Hash(h)
	}
	return path, nil
}

// FormatProof writes a proof:
//
//	c2sp.org/tlog-proof@v1
//	index SEQ
//	BASE64 HASH       (as many as the path has)
//
//	SIGNED NOTE
func FormatProof(p Proof) string {
	text := proof.TLogProof{Index: uint64(p.Seq), Checkpoint: []byte(p.Note)}
	for _, h := range p.Path {
		text.Hashes = append(text.Hashes, h)
	}
	return string(text.Marshal())
}

// ParseProof reads what FormatProof writes and refuses every other spelling,
// and extra data too, which no signature covers.
func ParseProof(text string) (Proof, error) {
	if len(text) > MaxProof {
		return Proof{}, fmt.Errorf("a proof of %d bytes: at most %d are allowed", len(text), MaxProof)
	}
	var raw proof.TLogProof
	if err := raw.Unmarshal([]byte(text)); err != nil {
		return Proof{}, fmt.Errorf("couldn't read the proof: %w", err)
	}
	if raw.Index > MaxSafeInteger || len(raw.Hashes) > 63 || raw.ExtraData != nil {
		return Proof{}, errors.New("couldn't read the proof: its index, path or extra data can't be ours")
	}
	p := Proof{Seq: int64(raw.Index), Note: string(raw.Checkpoint)}
	for _, h := range raw.Hashes {
		p.Path = append(p.Path, h)
	}
	if FormatProof(p) != text {
		return Proof{}, errors.New("couldn't read the proof: it isn't written the one canonical way")
	}
	return p, nil
}

// CheckProof checks that the record with this leaf stands at p.Seq in the tree
// of cp, which the caller has got by opening p.Note.
func CheckProof(p Proof, cp Checkpoint, leaf Hash) error {
	if cp.Note != p.Note {
		return fmt.Errorf("couldn't check the proof of record %d: it leads to another checkpoint", p.Seq)
	}
	path := make(tlog.RecordProof, len(p.Path))
	for i, h := range p.Path {
		path[i] = tlog.Hash(h)
	}
	if err := tlog.CheckRecord(path, cp.Size, tlog.Hash(cp.Root), p.Seq, tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("record %d isn't in the checkpoint over %d records: %w", p.Seq, cp.Size, err)
	}
	return nil
}
