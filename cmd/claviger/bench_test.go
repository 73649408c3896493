package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"
	"fyne.io/fyne/v2/widget"

	"claviger/ceremony/rehearse"
	"claviger/ui"
)

// BenchmarkFirstWindow starts the program on a practice site that is there, and
// a bare window of the toolkit, in turns: from the start of the process to the
// first page that takes keys, and the memory that it then holds. It needs a
// display.
func BenchmarkFirstWindow(b *testing.B) {
	if os.Getenv("DISPLAY") == "" {
		b.Skip("there is no display")
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for _, name := range []string{"claviger", "first-page", "bare-window"} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			b.Fatal(err)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "claviger"), "rehearse", "key-generation", "--out", filepath.Join(dir, "out")).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var ours, bare, ourMB, bareMB []float64
	const turns = 7 // a start now and then takes twice as long
	for b.Loop() {
		for range turns {
			ms, mb := firstPage(b, filepath.Join(dir, "first-page"), filepath.Join(dir, "out", "site"))
			ours, ourMB = append(ours, ms), append(ourMB, mb)
			ms, mb = firstPage(b, filepath.Join(dir, "bare-window"))
			bare, bareMB = append(bare, ms), append(bareMB, mb)
		}
	}
	middle := func(list []float64) float64 { slices.Sort(list); return list[len(list)/2] }
	b.ReportMetric(middle(ours), "ms/ours")
	b.ReportMetric(middle(bare), "ms/bare")
	b.ReportMetric(middle(ours)/middle(bare), "x-bare")
	b.ReportMetric(middle(ourMB)-middle(bareMB), "MB-above-bare")
	b.ReportMetric(0, "ns/op")
}

// firstPage runs one of the two programs below until it says that it is ready.
func firstPage(b *testing.B, command ...string) (ms, mb float64) {
	b.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	home := b.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".cache", "fyne"), 0o700); err != nil {
		b.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "HOME="+home)
	var wrong strings.Builder
	cmd.Stderr = &wrong
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewReader(out)
	if _, err := said.ReadString('\n'); err != nil {
		b.Fatalf("%s did not come to its first page: %v\n%s", command[0], err, wrong.String())
	}
	took := time.Since(start)
	line, err := said.ReadString('\n')
	if err != nil {
		b.Fatalf("%s did not come to its first page: %v\n%s", command[0], err, wrong.String())
	}
	if mb, err = strconv.ParseFloat(strings.TrimSpace(line), 64); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return float64(took.Microseconds()) / 1000, mb
}

// ready tells the benchmark that the window takes keys, and then, when it is drawn, the
// memory that it holds.
func ready(a fyne.App) {
	fmt.Println("ready")
	time.AfterFunc(300*time.Millisecond, func() {
		ui.OnWindow(func() {
			var used syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				panic(err)
			}
			fmt.Printf("%.1f\n", float64(used.Maxrss)/1024)
			a.Quit()
		})
	})
}

// bareWindow is the toolkit with one word in a window.
func bareWindow() {
	a := app.NewWithID("claviger.bench")
	w := a.NewWindow("bare")
	w.SetContent(widget.NewLabel("bare"))
	w.Resize(fyne.NewSize(1280, 800))
	a.Lifecycle().SetOnStarted(func() {
		w.Show()
		ui.OnWindow(func() { ready(a) })
	})
	a.Run()
}

// firstPageOf is window with a watch on where its keys go.
func firstPageOf() {
	host, argv, err := self()
	if err != nil {
		panic(err)
	}
	p := &program{setting: rehearse.Setting{Dir: os.Args[1], Worker: argv, Host: host}}
	a := app.NewWithID("claviger.bench")
	shell := ui.New(ui.Config{App: a, Program: p, Do: ui.OnWindow, Later: ui.Later, Now: time.Now})
	a.Lifecycle().SetOnStarted(func() {
		shell.Start()
		go untilItTakesKeys(a, shell)
	})
	a.Run()
	shell.Stop()
	if err := p.close(); err != nil {
		panic(err)
	}
}

// untilItTakesKeys looks until something of the overview has the focus: the page before,
// of what is happening, has nothing to press.
func untilItTakesKeys(a fyne.App, shell *ui.Shell) {
	for range time.Tick(2 * time.Millisecond) {
		seen := make(chan bool)
		ui.OnWindow(func() { seen <- shell.Window().Canvas().Focused() != nil })
		if <-seen {
			ui.OnWindow(func() { ready(a) })
			return
		}
	}
}
