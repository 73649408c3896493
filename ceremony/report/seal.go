package report

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"

	"claviger/ceremony"
	"claviger/ledger"
)

//go:embed howto.txt
var howToVerify string

// checkpoint opens the note with the ledger keys that the records name and the
// ceremony keys of those who may cosign it.
func (in Input) checkpoint() (ledger.Checkpoint, []ledger.Cosignature, error) {
	verifiers, err := in.State.Cosigners()
	if err != nil {
		return ledger.Checkpoint{}, nil, err
	}
	for _, k := range in.State.LedgerKeys {
		v, err := ledger.NewVerifier(k.Body.Verifier)
		if err != nil {
			return ledger.Checkpoint{}, nil, err
		}
		verifiers = append(verifiers, v)
	}
	cp, n, err := ledger.OpenCheckpoint(in.Checkpoint, verifiers...)
	if err != nil {
		return ledger.Checkpoint{}, nil, err
	}
	cosigned, err := ledger.Cosignatures(cp.Origin, n)
	return cp, cosigned, err
}

// signer is the ledger key that signed the checkpoint.
func (d *doc) signer() *ceremony.LedgerKey {
	for i, k := range d.s.LedgerKeys {
		v, err := ledger.NewVerifier(k.Body.Verifier)
		if err != nil {
			continue
		}
		if _, _, err := ledger.OpenCheckpoint(d.in.Checkpoint, v); err == nil {
			return &d.s.LedgerKeys[i]
		}
	}
	return nil
}

// signedByHSM is the note with the ledger key's lines only: people's
// cosignatures would not fit a code that is read from paper.
func signedByHSM(text, origin string) string {
	head, sigs, _ := strings.Cut(text, "\n\n")
	var b strings.Builder
	b.WriteString(head + "\n\n")
	for _, line := range strings.SplitAfter(sigs, "\n") {
		if strings.HasPrefix(line, "— "+origin+" ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (d *doc) seal() error {
	d.room(250)
	d.heading("Seal")
	if d.cp == nil {
		d.para(words("Not yet signed by the HSM. The checkpoint that the token signs at its next opening will cover these records; a document made after that carries it."), 0)
		return nil
	}
	const side = 148.0
	top := d.y
	if err := d.qr(signedByHSM(d.in.Checkpoint, d.cp.Origin), margin+10, top+10, side-20); err != nil {
		return err
	}
	d.f.SetDrawColor(rule.r, rule.g, rule.b)
	d.f.SetLineWidth(0.8)
	d.f.Rect(margin, top, side, side, "D")
	x := margin + side + 16
	key, verifier := "", ""
	if k := d.signer(); k != nil {
		key, verifier = k.Body.Public.String(), k.Body.Verifier
	}
	for _, f := range []fact{
		{"Ledger", code.of(d.cp.Origin)},
		{"Records", words(fmt.Sprint(d.cp.Size))},
		{"Tree head", code.of(base64.StdEncoding.EncodeToString(d.cp.Root[:]))},
		{"In words", words(wordsOf(d.cp.Root.String()[:16]) + " …")},
		{"Signed by", append(words("the HSM's ledger key, SHA-256 "), code.of(fours(key))...)},
		{"Verifier key", code.pt(7.4).of(verifier)},
		{"Cosigned by", d.cosigners()},
	} {
		d.text(x, d.y+8.5, f.label, dim.pt(8.6))
		for _, l := range d.wrap(f.value, d.w-margin-x-66) {
			d.drawLine(x+66, d.y, l)
			d.y += leading(l)
		}
		d.y += 2.2
	}
	d.y = max(d.y, top+side) + 8
	d.para(dim.of("Keep this page. The code holds the checkpoint as the HSM signed it: with it, anyone can later show whether the ledger still contains this ceremony, unchanged. Compare the verifier key with the key sheet that was signed by hand, or with your own copy."), 0)
	return nil
}

// cosigners say "present at this root", no more.
func (d *doc) cosigners() []run {
	var people []string
	for _, c := range d.cosigned {
		people = append(people, c.Person)
	}
	if people == nil {
		return missing()
	}
	return words(d.surnames(people))
}

func (d *doc) howTo() {
	d.heading("How to verify this document")
	say, typed := body, body.in(mono).pt(8.6)
	for i, step := range [][]run{
		{{"On any computer: ", say}, {"claviger-verify --site site.vkey report.pdf", typed}, {". The file site.vkey has to come to you by another way than this document.", say}},
		{{"It takes the records out of this file, checks their chain, every signature and every rule of the ceremony, the HSM's checkpoint, and makes these pages again to compare them with what you see.", say}},
		{{"With the ledger beside it, ", say}, {"claviger-verify --site site.vkey report.pdf ledger.db", typed}, {", it also checks what only the whole ledger can show: that the facts restated at the start of the run are true, and that this is the newest edition.", say}},
		{{"Without Claviger: ", say}, {"mkdir check; pdfdetach -saveall -o check report.pdf; cd check; sh HOW-TO-VERIFY.txt", typed}, {". It needs pdfdetach, python3 and openssl; read it first.", say}},
		{{"By eye: compare the SHA-256 of the public key, in hex or in words, with what you wrote down when it was read aloud.", say}},
	} {
		d.para(append(words(fmt.Sprintf("%d.  ", i+1)), step...), 0)
		d.gap(2)
	}
	d.gap(4)
	d.para(dim.pt(8.4).of("What this cannot show: whether the program itself was altered, whether the founders were who they said, and whether all holders of keys acted together. The boot medium, key sheets signed by hand and witnesses from outside stand against those."), 0)
}
