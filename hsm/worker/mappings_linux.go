package worker

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"claviger/hsm"
)

// mappings lists every file that is mapped as code into this process, with its
// SHA-256. A file that is not any more the one that was mapped (replaced on
// disk, in memory only) has none, and says so in its place.
func mappings() ([]hsm.FileHash, error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("couldn't list the code in the module's process: %w", err)
	}
	defer f.Close()
	var list []hsm.FileHash
	seen := make(map[string]bool)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		inode, path, ok := executable(lines.Text())
		if !ok || seen[path] {
			continue
		}
		seen[path] = true
		if strings.HasPrefix(filepath.Base(path), "pkcs11-spy") {
			return nil, fmt.Errorf("couldn't trust the PKCS#11 module: %s is loaded with it and writes every PIN into its log; remove it from the module's configuration", path)
		}
		list = append(list, hsm.FileHash{Path: path, SHA256: hashMapped(path, inode)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("couldn't list the code in the module's process: %w", err)
	}
	return list, nil
}

// executable reads one line of /proc/PID/maps (proc(5)):
// address perms offset dev inode path.
func executable(line string) (inode, path string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || !strings.Contains(fields[1], "x") || fields[4] == "0" {
		return "", "", false
	}
	_, path, found := strings.Cut(line, " /")
	return fields[4], "/" + path, found
}

func hashMapped(path, inode string) string {
	const none = "unavailable"
	f, err := os.Open(path)
	if err != nil {
		return none
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return none
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || fmt.Sprint(sys.Ino) != inode {
		return none
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return none
	}
	return hex.EncodeToString(h.Sum(nil))
}
