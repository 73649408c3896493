package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"claviger/ceremony/audit"
)

// TestOldEvidence: what an earlier version wrote verifies for ever. A folder of
// testdata/ledgers is never changed, only followed by another.
func TestOldEvidence(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("..", "..", "testdata", "ledgers", "*"))
	if err != nil || len(folders) == 0 {
		t.Fatal("no old ledger was found", err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			key, err := os.ReadFile(filepath.Join(dir, "site.vkey"))
			if err != nil {
				t.Fatal(err)
			}
			checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint.txt"))
			if err != nil {
				t.Fatal(err)
			}
			report, err := os.ReadFile(filepath.Join(dir, "report.pdf"))
			if err != nil {
				t.Fatal(err)
			}
			o := audit.Options{Site: string(key), Checkpoints: [][]byte{checkpoint}}
			path := filepath.Join(dir, "ledger.db")
			ledger, err := audit.Ledger(t.Context(), path, o)
			if err != nil || !ledger.Holds() {
				t.Errorf("the ledger: %v, %v", err, ledger)
			}
			document, err := audit.PDF(t.Context(), report, path, o)
			if err != nil || !document.Holds() {
				t.Errorf("the report: %v, %v", err, document)
			}
		})
	}
}
