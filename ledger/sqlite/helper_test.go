package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime"

	"claviger/ledger"
	"claviger/ledger/powerloss"
	"claviger/ledger/sqlite"
)

// init keeps the other program on its first thread, so that strace can count
// that thread's calls: only here is it certain to run on it.
func init() {
	if os.Getenv("CLAVIGER_TEST_ROLE") != "" {
		runtime.LockOSThread()
	}
}

// play is the main of the test binary when it stands for another program.
func play(role string) int {
	path := os.Getenv("CLAVIGER_TEST_LEDGER")
	roles := map[string]func(context.Context, string) error{
		"append": appendOne, "acknowledge": acknowledge, "patient": patient, "reserved": reserved, "careless": careless, "race": race,
	}
	if err := roles[role](context.Background(), path); err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	return 0
}

// appendOne opens, appends one record, closes.
func appendOne(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	if _, err := fill(ctx, s, 1); err != nil {
		return err
	}
	return s.Close()
}

// acknowledge appends records and says after each that it is there. It stops
// at the first that isn't.
func acknowledge(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		s, err = sqlite.Create(ctx, path)
	}
	if err != nil {
		return err
	}
	os.Stdout.WriteString(powerloss.Opened)
	for range acknowledged {
		head, err := fill(ctx, s, 1)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		os.Stdout.WriteString(powerloss.Said(head))
	}
	return s.Close()
}

// acknowledged is how many records the other program appends.
const acknowledged = 12

// patient waits out a full disk: it goes on with the same store, from the head
// that it reads again.
func patient(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	for n := 0; n < acknowledged; {
		head, err := fill(ctx, s, 1)
		if errors.Is(err, ledger.ErrFull) {
			os.Stdout.WriteString("full\n")
			continue
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
		n++
		os.Stdout.WriteString(powerloss.Said(head))
	}
	return s.Close()
}

// reserved makes sure of room before each record.
func reserved(ctx context.Context, path string) error {
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	for range acknowledged {
		if err := s.Reserve(ctx, 4096); err != nil {
			return errors.Join(err, s.Close())
		}
		head, err := fill(ctx, s, 1)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		os.Stdout.WriteString(powerloss.Said(head))
	}
	return s.Close()
}

// careless is the negative control: the same records through a connection
// that doesn't ask the disk to keep each of them.
func careless(ctx context.Context, path string) error {
	s, err := sqlite.Create(ctx, path)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	os.Stdout.WriteString(powerloss.Opened)
	head := ledger.Empty()
	memory := ledger.NewMemory()
	for range acknowledged {
		records, err := ledger.Build(head, draft(head.Size))
		if err != nil {
			return err
		}
		if head, err = memory.Append(ctx, head, ledger.Batch{Records: records}); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, "INSERT INTO record VALUES (?, ?)", records[0].Seq, records[0].Bytes); err != nil {
			return err
		}
		os.Stdout.WriteString(powerloss.Said(head))
	}
	return db.Close()
}

// race takes the writer's place again and again, until it has appended its
// share, and says how often it was refused and by whom.
func race(ctx context.Context, path string) error {
	refused := map[string]int{}
	for n := 0; n < raceShare(); {
		s, err := sqlite.Open(ctx, path)
		if locked, ok := errors.AsType[*sqlite.LockedError](err); ok {
			refused[locked.Holder]++
			continue
		}
		if err != nil {
			return err
		}
		head, err := fill(ctx, s, 1)
		if err != nil {
			return errors.Join(err, s.Close())
		}
		n++
		os.Stdout.WriteString(powerloss.Said(head))
		if err := s.Close(); err != nil {
			return err
		}
	}
	for holder, times := range refused {
		os.Stdout.WriteString(fmt.Sprintf("refused %d times: %s\n", times, holder))
	}
	return nil
}

// thorough says whether the full counts are asked for.
func thorough() bool { return os.Getenv("CLAVIGER_PROOF") != "" }

func raceShare() int {
	if thorough() {
		return 1000
	}
	return 25
}
