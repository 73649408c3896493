package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
)

const (
	recordsFile = "records.jsonl"
	blobsFolder = "blobs"
)

// WriteLines writes records as they are hashed, one a line.
func WriteLines(w io.Writer, records iter.Seq2[Record, error]) error {
	out := bufio.NewWriter(w)
	for r, err := range records {
		if err != nil {
			return err
		}
		// The writer keeps its first error for Flush.
		out.Write(r.Bytes)
		out.WriteByte('\n')
	}
	return out.Flush()
}

// ReadLines reads what WriteLines writes: canonical lines, each ended by one
// newline, and nothing else. It stops at the first line that is not one. That
// the records follow each other is for the caller to check.
func ReadLines(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := bufio.NewReaderSize(r, MaxRecord+1)
		for n := 1; ; n++ {
			line, err := in.ReadSlice('\n')
			switch {
			case err == io.EOF && len(line) == 0:
				return
			case err == io.EOF:
				err = errors.New("the newline at its end is missing")
			case errors.Is(err, bufio.ErrBufferFull):
				err = fmt.Errorf("it is longer than %d bytes", MaxRecord)
			}
			var rec Record
			if err == nil {
				rec, err = Parse(bytes.Clone(line[:len(line)-1]))
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("couldn't read line %d: %w", n, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// Export writes a ledger as plain files into a folder that it makes:
// records.jsonl, and blobs/ with one file each, named by SHA-256. Everything
// else in a ledger can be computed from these.
func Export(ctx context.Context, r BlobLister, dir string) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("couldn't export the ledger: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("couldn't export the ledger: %w", err)
	}
	defer root.Close()
	err = root.Mkdir(blobsFolder, 0o700)
	if err == nil {
		err = writeDurably(root, recordsFile, func(w io.Writer) error { return WriteLines(w, r.Records(ctx, 0, End)) })
	}
	if err == nil {
		err = exportBlobs(ctx, r, root)
	}
	for _, name := range []string{blobsFolder, "."} {
		if err == nil {
			err = syncFolder(root, name)
		}
	}
	if err != nil {
		return fmt.Errorf("couldn't export the ledger to %s: %w", dir, err)
	}
	return nil
}

func exportBlobs(ctx context.Context, r BlobLister, root *os.Root) error {
	for name, err := range r.Blobs(ctx) {
		if err != nil {
			return err
		}
		b, err := r.Blob(ctx, name)
		if err != nil {
			return err
		}
		err = writeDurably(root, blobsFolder+"/"+name.String(), func(w io.Writer) error { _, err := w.Write(b); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

func writeDurably(root *os.Root, name string, write func(io.Writer) error) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Sync(), f.Close())
}

func syncFolder(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Import reads an export into an empty ledger. The head that it returns is the
// exported ledger's, or a line or blob was refused.
func Import(ctx context.Context, dir string, into Store) (Head, error) {
	head, err := into.Head(ctx)
	if err != nil {
		return Head{}, err
	}
	if head != Empty() {
		return Head{}, errors.New("couldn't import the ledger: the one to import into isn't empty")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Head{}, fmt.Errorf("couldn't import the ledger: %w", err)
	}
	defer root.Close()
	if head, err = importRecords(ctx, root, into, head); err == nil {
		head, err = importBlobs(ctx, root, into, head)
	}
	if err != nil {
		return Head{}, fmt.Errorf("couldn't import the ledger from %s: %w", dir, err)
	}
	return head, nil
}

func importRecords(ctx context.Context, root *os.Root, into Store, head Head) (Head, error) {
	f, err := root.Open(recordsFile)
	if err != nil {
		return Head{}, err
	}
	defer f.Close()
	var records []Record
	for r, err := range ReadLines(f) {
		if err != nil {
			return Head{}, err
		}
		if records = append(records, r); len(records) == MaxBatch {
			if head, err = into.Append(ctx, head, Batch{Records: records}); err != nil {
				return Head{}, err
			}
			records = records[:0]
		}
	}
	return into.Append(ctx, head, Batch{Records: records})
}

func importBlobs(ctx context.Context, root *os.Root, into Store, head Head) (Head, error) {
	entries, err := fs.ReadDir(root.FS(), blobsFolder)
	if err != nil {
		return Head{}, err
	}
	for chunk := range slices.Chunk(entries, 16) {
		var b Batch
		for _, e := range chunk {
			blob, err := importBlob(root, e)
			if err != nil {
				return Head{}, err
			}
			b.Blobs = append(b.Blobs, blob)
		}
		if head, err = into.Append(ctx, head, b); err != nil {
			return Head{}, err
		}
	}
	return head, nil
}

func importBlob(root *os.Root, e fs.DirEntry) ([]byte, error) {
	name, err := ParseHash(e.Name())
	if err != nil {
		return nil, fmt.Errorf("the file %q isn't named by a hash: %w", e.Name(), err)
	}
	info, err := e.Info()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > MaxBlob {
		return nil, fmt.Errorf("%s isn't a file of at most %d bytes", name, MaxBlob)
	}
	b, err := root.ReadFile(blobsFolder + "/" + e.Name())
	if err != nil {
		return nil, err
	}
	return CheckBlob(name, b)
}
