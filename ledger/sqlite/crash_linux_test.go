package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claviger/ledger"
	"claviger/ledger/sqlite"
)

// inject makes strace fail, or kill the program at, chosen calls of its main
// thread: what no disk can be asked to do at the right moment.
func inject(rule string) []string {
	call, _, _ := strings.Cut(rule, ":")
	return []string{"strace", "-qqq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=" + rule}
}

// acks are the heads that the other program said were on the disk.
func acks(t testing.TB, out string) []ledger.Head {
	t.Helper()
	var heads []ledger.Head
	for _, line := range lines(out) {
		var h ledger.Head
		var last string
		if n, _ := fmt.Sscanf(line, "ack %d %s", &h.Size, &last); n < 2 {
			continue
		}
		var err error
		if h.Last, err = ledger.ParseHash(last); err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
	}
	return heads
}

// checkKept opens a ledger as the next start would, checks that everything
// acknowledged is there and at most extra records more, and that it goes on.
func checkKept(t *testing.T, path, out string, extra int64) {
	t.Helper()
	said := acks(t, out)
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		if len(said) == 0 && !strings.Contains(out, "open") {
			return // nothing was ever promised
		}
		t.Errorf("after %d acknowledged records it doesn't open: %v", len(said), err)
		return
	}
	defer s.Close()
	head, findings, err := ledger.VerifyChain(t.Context(), s, nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("it doesn't verify: %v, %v", findings, err)
	}
	last := ledger.Empty()
	if len(said) > 0 {
		last = said[len(said)-1]
	}
	if head.Size < last.Size || head.Size > last.Size+extra {
		t.Errorf("%d records are there, %d were acknowledged\n%s", head.Size, last.Size, out)
	}
	for _, h := range said {
		for r, err := range s.Records(t.Context(), h.Size-1, h.Size) {
			if err != nil || r.Leaf != h.Last {
				t.Errorf("record %d isn't the one acknowledged: %v", h.Size-1, err)
			}
		}
	}
	if after, err := fill(t.Context(), s, 1); err != nil || after.Size != head.Size+1 {
		t.Errorf("it doesn't go on: %v, %v", after, err)
	}
}

// steps are the calls to stop at: all of them in a thorough run.
func steps(all, sample int) []int {
	if thorough() {
		sample = all
	}
	var out []int
	for i := range sample {
		out = append(out, 1+i*all/sample)
	}
	return out
}

func TestKilled(t *testing.T) {
	killed := 0
	for _, call := range []struct {
		name        string
		all, sample int
	}{{"pwrite64", 170, 8}, {"fsync", 30, 4}, {"ftruncate", 12, 2}, {"unlink", 4, 2}} {
		for _, n := range steps(call.all, call.sample) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			out, err := another(t, "acknowledge", path, inject(fmt.Sprintf("%s:signal=SIGKILL:when=%d", call.name, n))...)
			if err != nil {
				killed++
			}
			checkKept(t, path, out, 1)
		}
	}
	if killed == 0 {
		t.Error("nothing was ever killed")
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: kill -9 at %d different system calls: no acknowledged record lost\n", killed)
	}
}

func TestFailingDisk(t *testing.T) {
	tests := []struct {
		what, rule, says string
		extra            int64
		skip             int // calls that load the program itself
		all, sample      int
	}{
		{"a full disk", "pwrite64:error=ENOSPC:when=%d+", "there is no room left", 0, 0, 90, 5},
		{"a disk that can't write", "pwrite64:error=EIO:when=%d+", "read or written", 1, 0, 90, 5},
		{"one write that fails", "pwrite64:error=EIO:when=%d", "read or written", 1, 0, 90, 5},
		{"a disk that can't sync", "fsync:error=EIO:when=%d+", "read or written", 1, 0, 14, 4},
		{"one sync that fails", "fsync:error=EIO:when=%d", "read or written", 1, 0, 14, 4},
		{"a disk that can't read", "pread64:error=EIO:when=%d+", "", 1, 8, 50, 4},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			failed := 0
			for _, n := range steps(test.all, test.sample) {
				path, _ := written(t, 0)
				out, err := another(t, "acknowledge", path, inject(fmt.Sprintf(test.rule, n+test.skip))...)
				if err != nil {
					failed++
					if !strings.Contains(out, "failed: ") {
						t.Errorf("at call %d it says nothing: %s", n, out)
					}
					if len(acks(t, out)) > 0 && !strings.Contains(out, test.says) {
						t.Errorf("at call %d it says: %s", n, out)
					}
				}
				checkKept(t, path, out, test.extra)
			}
			if failed == 0 {
				t.Error("nothing ever failed")
			}
			if thorough() {
				fmt.Printf("PROOF: ledger: %s, at %d different system calls: said, and no acknowledged record lost\n", test.what, failed)
			}
		})
	}
}

// opening is how many writes come before the first append.
const opening = 18

// When there is room again, the same program goes on.
func TestFullDiskIsWaitedOut(t *testing.T) {
	full := 0
	for _, n := range steps(80, 5) {
		path, _ := written(t, 0)
		out, err := another(t, "patient", path, inject(fmt.Sprintf("pwrite64:error=ENOSPC:when=%d..%d", n+opening, n+opening+3))...)
		if err != nil {
			t.Errorf("at call %d: %s", n, out)
		}
		if len(acks(t, out)) != acknowledged {
			t.Errorf("at call %d it acknowledged %s", n, out)
		}
		full += strings.Count(out, "full\n")
		checkKept(t, path, out, 0)
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
}

// Room that was reserved is there when the disk is full: nobody notices.
func TestReserveIsUsed(t *testing.T) {
	for _, n := range steps(80, 5) {
		path, _ := written(t, 0)
		out, err := another(t, "reserved", path, inject(fmt.Sprintf("pwrite64:error=ENOSPC:when=%d", n+opening))...)
		if err != nil || len(acks(t, out)) != acknowledged {
			t.Errorf("at call %d: %s", n, out)
		}
		checkKept(t, path, out, 0)
	}
}

func TestRacingForTheLock(t *testing.T) {
	path, _ := written(t, 0)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(path), link); err != nil {
		t.Fatal(err)
	}
	const racers = 2
	type result struct {
		out string
		err error
	}
	results := make(chan result, racers)
	for _, name := range []string{path, filepath.Join(link, filepath.Base(path))} {
		go func() {
			out, err := another(t, "race", name)
			results <- result{out, err}
		}()
	}
	seen := map[ledger.Head]bool{}
	refused := 0
	for range racers {
		r := <-results
		if r.err != nil {
			t.Errorf("%v: %s", r.err, r.out)
		}
		for _, line := range lines(r.out) {
			var times int
			if n, _ := fmt.Sscanf(line, "refused %d times: process", &times); n == 1 {
				refused += times
			}
			if strings.HasPrefix(line, "refused") && !strings.Contains(line, ": process ") {
				t.Errorf("nobody is named: %s", line)
			}
		}
		for _, h := range acks(t, r.out) {
			if seen[h] {
				t.Errorf("two programs appended record %d", h.Size-1)
			}
			seen[h] = true
		}
	}
	head, findings := inspect(t, path)
	if head.Size != racers*int64(raceShare()) || head.Size != int64(len(seen)) || len(findings) > 0 {
		t.Errorf("%d records were acknowledged; there are %d, %v", len(seen), head.Size, findings)
	}
	if thorough() {
		fmt.Printf("PROOF: ledger: two programs, one through a link, raced for one ledger: %d times the second was refused and told by whom, %d records appended in turn, no fork\n", refused, len(seen))
	}
}
