package medium

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// kernel lays out what a workstation with these mounts tells.
func kernel(t *testing.T, mounts string) string {
	t.Helper()
	root := t.TempDir()
	put := func(path, content string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, path string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	put("proc/self/mountinfo", mounts)
	put("media/custody 7/x", "")
	put("media/card/x", "")
	put("mnt/disk/x", "")
	put("sys/devices/pci/usb1/1-2/serial", "4C530001\n")
	put("sys/devices/pci/usb1/1-2/host6/block/sdb/removable", "0\n")
	put("sys/devices/pci/usb1/1-2/host6/block/sdb/sdb1/partition", "1\n")
	put("sys/devices/pci/mmc0/block/mmcblk0/removable", "1\n")
	put("sys/devices/pci/ata1/block/sda/removable", "0\n")
	put("sys/devices/pci/usb1/1-2/host6/block/sdb/sdb2/partition", "2\n")
	link("../../devices/pci/usb1/1-2/host6/block/sdb/sdb1", "sys/class/block/sdb1")
	link("../../devices/pci/usb1/1-2/host6/block/sdb/sdb2", "sys/class/block/sdb2")
	link("../../devices/pci/mmc0/block/mmcblk0", "sys/class/block/mmcblk0")
	link("../../devices/pci/ata1/block/sda", "sys/class/block/sda")
	link("../../sdb1", `dev/disk/by-label/CUSTODY\x207`)
	return root
}

func TestOnlyRemovableMediaMountedForWriting(t *testing.T) {
	root := kernel(t, strings.Join([]string{
		`22 1 0:21 / /proc rw,relatime - proc proc rw`,
		`30 1 8:1 / /mnt/disk rw,relatime - ext4 /dev/sda rw`,
		`31 1 8:17 / /media/custody\0407 rw,nosuid shared:1 - vfat /dev/sdb1 rw,uid=1000`,
		`32 1 8:17 / /media/again rw,nosuid - vfat /dev/sdb1 rw`,
		`33 1 179:0 / /media/card ro,nosuid - vfat /dev/mmcblk0 ro`,
		`34 1 179:9 / /media/gone rw - vfat /dev/sdz1 rw`,
	}, "\n"))
	got, err := List(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []Medium{{Mount: "/media/custody 7", Device: "sdb1", Label: "CUSTODY 7", Serial: "4C530001"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Medium{}, "Size", "Free")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(got) == 1 && (got[0].Size <= 0 || got[0].Free <= 0) {
		t.Errorf("size %d, free %d", got[0].Size, got[0].Free)
	}
}

// TestPartitionsOfOneStickAreOneMedium: its other file systems are found, those of
// another device are not.
func TestPartitionsOfOneStickAreOneMedium(t *testing.T) {
	root := kernel(t, strings.Join([]string{
		`31 1 8:17 / /media/first rw - vfat /dev/sdb1 rw`,
		`32 1 8:18 / /media/second rw - vfat /dev/sdb2 rw`,
		`33 1 179:0 / /media/card rw - vfat /dev/mmcblk0 rw`,
	}, "\n"))
	for folder, want := range map[string][]string{"/media/first": {"/media/second"}, "/media/second": {"/media/first"}, "/media/card": nil, "/media/absent": nil} {
		got, err := Beside(root, folder)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("beside %s: %v %v, want %v", folder, got, err, want)
		}
	}
}

// TestOwn: what is mounted by itself is a medium; a folder on the site's disk, one
// inside a medium, and the site's own file system are none.
func TestOwn(t *testing.T) {
	site := t.TempDir()
	link := filepath.Join(site, "link")
	if err := os.Symlink("/proc", link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		folder, site string
		want         bool
	}{
		"mounted by itself":              {"/proc", site, true},
		"by a link":                      {link, site, true},
		"a folder inside it":             {"/proc/self", site, false},
		"the site lies on it":            {"/proc", "/proc/self", false},
		"another folder beside the site": {t.TempDir(), site, false},
		"the site's own disk":            {"/", site, false},
	} {
		if got, err := Own(c.folder, c.site); err != nil || got != c.want {
			t.Errorf("%s: %v %v, want %v", name, got, err, c.want)
		}
	}
	if _, err := Own(filepath.Join(site, "absent"), site); err == nil {
		t.Error("a folder that is not there was judged")
	}
}

func TestCopyIsReadBackAndNeverOverwrites(t *testing.T) {
	from := filepath.Join(t.TempDir(), "report.pdf")
	content := strings.Repeat("evidence ", 100000)
	if err := os.WriteFile(from, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "claviger", "2026-002")
	for range 2 { // the second time it is there already, and the same
		got, err := Copy(context.Background(), to, []string{from})
		if err != nil {
			t.Fatal(err)
		}
		want := []Copied{{Name: "report.pdf", Bytes: int64(len(content)), SHA256: sha256.Sum256([]byte(content))}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if err := os.WriteFile(filepath.Join(to, "report.pdf"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(context.Background(), to, []string{from}); err == nil || !strings.Contains(err.Error(), "read back from the medium, is not") {
		t.Errorf("a file that differs passes as a copy: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(to, "report.pdf")); err != nil || string(b) != "another" {
		t.Errorf("the file that was there is %q, %v", b, err)
	}
}

// A medium that is full or gone is an error, and leaves no part of a file.
func TestCopyThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	from := filepath.Join(dir, "absent.pdf")
	to := filepath.Join(dir, "medium")
	if _, err := Copy(context.Background(), to, []string{from}); err == nil {
		t.Error("a file that is not there was copied")
	}
	if names, _ := os.ReadDir(to); len(names) != 0 {
		t.Errorf("left %v", names)
	}
	f, err := os.Create(from)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := write(filepath.Join(to, "full.pdf"), failing{}); err == nil {
		t.Error("a write that failed was taken for one that did not")
	}
	if names, _ := os.ReadDir(to); len(names) != 0 {
		t.Errorf("left %v", names)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
