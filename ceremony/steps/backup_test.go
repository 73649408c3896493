package steps

import (
	"context"
	"errors"
	"testing"

	"claviger/ceremony"
)

// room answers one question after another, and keeps what was asked.
type room struct {
	ceremony.Env
	state   *ceremony.State
	folder  *ceremony.Folder
	answers []ceremony.Answer
	asked   []ceremony.Prompt
}

var errNobody = errors.New("nobody answers")

func (r *room) State() *ceremony.State { return r.state }
func (r *room) Site() *ceremony.Folder { return r.folder }

func (r *room) Ask(_ context.Context, p ceremony.Prompt) (ceremony.Answer, error) {
	r.asked = append(r.asked, p)
	if len(r.answers) == 0 {
		return ceremony.Answer{}, errNobody
	}
	a := r.answers[0]
	r.answers = r.answers[1:]
	return a, nil
}

// TestRealCopyGoesToAMountedMedium: on a real site a folder of the workstation's disk,
// a subfolder and the site's own file system are refused by what they are; one that is
// mounted by itself is taken.
func TestRealCopyGoesToAMountedMedium(t *testing.T) {
	answer := func(folder string) ceremony.Answer {
		return ceremony.Answer{Fields: map[string]string{"medium": "M-7", "folder": folder, "holder": "priya-kapoor", "kept": "safe 1"}}
	}
	disk := t.TempDir()
	open := &ceremony.Progress{Body: ceremony.Started{People: []ceremony.Part{{Person: "priya-kapoor", Role: "officer"}}}}
	r := &room{state: &ceremony.State{Open: open}, folder: &ceremony.Folder{Dir: t.TempDir()},
		answers: []ceremony.Answer{answer(disk), answer("/proc/sys"), answer("relative"), answer("/proc")}}
	act := ceremony.Act{Do: writeCopy, With: map[string]string{"copy": "1", "id": "00", "label": "root"}}
	m, err := askMedium(t.Context(), r, act, "")
	if err != nil || m.folder != "/proc" || m.name != "medium M-7" {
		t.Fatalf("took %+v, %v", m, err)
	}
	for i, want := range []string{
		`No medium of its own is mounted at "` + disk + `": it is a folder on a disk of this workstation, or within a medium.`,
		`No medium of its own is mounted at "/proc/sys": it is a folder on a disk of this workstation, or within a medium.`,
		`"relative" is no folder.`,
	} {
		if p := r.asked[i+1].Problem; p == nil || p.Happened != want || p.Safe != "Nothing was written." {
			t.Errorf("told %v, want %q", p, want)
		}
	}
}
