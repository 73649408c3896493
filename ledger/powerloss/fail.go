package powerloss

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Outcome counts what was found in the states of the disk.
type Outcome struct {
	States int
	Lost   int // an acknowledged record is missing
	Broken int // the file, its chain or a blob doesn't hold, or part of a batch is there
	First  string
}

// state is the disk after one power failure.
type state struct {
	files map[string][]byte
	said  int // records that were acknowledged
	where string
}

// Fail goes through a trace and lets the power fail after every stride-th call,
// each time in several ways. What is found must be all that was acknowledged and
// at most the one batch in flight. scratch is an empty folder.
func Fail(ctx context.Context, ops []Op, stride, ways int, scratch string) (Outcome, error) {
	leaves := map[int]string{0: strings.Repeat("0", 64)} // by the sizes that batches led to
	next := map[int]int{}                                // size after a size
	last := 0
	for _, o := range ops {
		if size, leaf, ok := o.acknowledged(); ok {
			leaves[size], next[last] = leaf, size
			last = size
		}
	}
	states := make(chan state)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(states)
		eachState(ctx, ops, stride, ways, states)
	}()

	var got Outcome
	var failed error
	var mu sync.Mutex // guards both
	var wg sync.WaitGroup
	for n := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			err := withOracle(ctx, filepath.Join(scratch, fmt.Sprint(n)), func(python *oracle) error {
				for s := range states {
					size, leaf, err := python.look(s.files)
					mu.Lock()
					got.count(s, size, leaf, leaves, next[s.said], err)
					mu.Unlock()
					if errors.Is(err, errOracle) {
						return err
					}
				}
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			if err != nil {
				stop()
			}
		})
	}
	wg.Wait()
	return got, failed
}

// count judges one state.
func (got *Outcome) count(s state, size int, leaf string, leaves map[int]string, inFlight int, err error) {
	got.States++
	switch {
	case err != nil:
		got.Broken++
	case size < s.said:
		got.Lost++
	case size != s.said && size != inFlight, leaves[size] != leaf:
		got.Broken++
	default:
		return
	}
	if got.First == "" {
		got.First = fmt.Sprintf("%s: %d records, %d acknowledged, %v", s.where, size, s.said, err)
	}
}

// eachState makes the states, the same ones each time.
func eachState(ctx context.Context, ops []Op, stride, ways int, states chan<- state) {
	d := &disk{files: map[string][]byte{}, named: map[string]bool{}}
	for _, o := range ops {
		if o.call == "create" {
			d.dir = filepath.Dir(o.path)
		}
	}
	said, opened := 0, false
	for i, o := range ops {
		if o.call == "say" {
			opened = opened || o.said == Opened
			if size, _, ok := o.acknowledged(); ok {
				said = size
			}
			continue
		}
		d.apply(o)
		if !opened || i%stride != 0 {
			continue // before, nothing was promised yet
		}
		for n := range ways {
			how := fate(n) % fates
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(n)))
			s := state{d.crash(how, rnd), said, fmt.Sprintf("after call %d (%s of %s), way %d", i, o.call, filepath.Base(o.path), how)}
			select {
			case states <- s:
			case <-ctx.Done():
				return
			}
		}
	}
}

//go:embed oracle.py
var oracleProgram string

// oracle is the SQLite that isn't ours.
type oracle struct {
	dir string
	in  io.Writer
	out *bufio.Scanner
}

var errOracle = errors.New("the independent SQLite has stopped")

func withOracle(ctx context.Context, dir string, use func(*oracle) error) error {
	cmd := exec.CommandContext(ctx, "python3", "-c", oracleProgram)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = use(&oracle{dir, in, bufio.NewScanner(out)})
	return errors.Join(err, in.Close(), cmd.Wait())
}

// look says what a state of the disk holds.
func (o *oracle) look(files map[string][]byte) (size int, last string, err error) {
	if err := errors.Join(os.RemoveAll(o.dir), os.Mkdir(o.dir, 0o700)); err != nil {
		return 0, "", errors.Join(errOracle, err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(o.dir, filepath.Base(name)), b, 0o600); err != nil {
			return 0, "", errors.Join(errOracle, err)
		}
	}
	fmt.Fprintln(o.in, o.dir)
	if !o.out.Scan() {
		return 0, "", errors.Join(errOracle, o.out.Err())
	}
	if _, err := fmt.Sscanf(o.out.Text(), "ok %d %s", &size, &last); err != nil {
		return 0, "", errors.New(o.out.Text())
	}
	return size, last, nil
}
