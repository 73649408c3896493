package ceremony

import (
	"path/filepath"
	"testing"
	"time"
)

// What was erased stays told, whatever becomes of the person's other files.
func TestErasedDocumentStaysTold(t *testing.T) {
	f, err := OpenFolder(filepath.Join(t.TempDir(), "site"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := f.SaveIdentity("li-chen", []byte("salt"), "passport", "1234")
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.SaveIdentity("li-chen-2", []byte("salt"), "passport", "5678")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.EraseIdentity("li-chen", " ", time.Time{}); err == nil {
		t.Error("it was erased without a reason")
	}
	tell := func(person, sum, want string) {
		t.Helper()
		if told, err := f.IdentityFile(person, sum); err != nil || told != want {
			t.Errorf("the file of %s is told as %q (%v), want %q", person, told, err, want)
		}
	}
	tell("li-chen", sum, "kept")
	day := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	if erased, err := f.EraseIdentity("li-chen", "retention is over", day); err != nil || len(erased) != 1 || erased[0] != sum {
		t.Errorf("erased %v: %v", erased, err)
	}
	if err := f.DropUnnamed("li-chen"); err != nil {
		t.Fatal(err)
	}
	tell("li-chen", sum, "erased on 2031-05-06: retention is over")
	tell("li-chen", other, "missing")
	tell("li-chen-2", other, "kept")
	if again, err := f.EraseIdentity("li-chen", "again", day); err != nil || len(again) != 0 {
		t.Errorf("erased once more: %v %v", again, err)
	}
}
