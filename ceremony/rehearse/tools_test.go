package rehearse

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"claviger/ceremony"
	"claviger/ledger"
)

// tool runs an independent program and gives what it prints.
func tool(t *testing.T, env []string, stdin []byte, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), env...)
	c.Stdin = bytes.NewReader(stdin)
	var out, diag bytes.Buffer
	c.Stdout, c.Stderr = &out, &diag
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, diag.Bytes())
	}
	return out.String()
}

// TestOtherProgramsSeeTheSame: pkcs11-tool, p11tool and openssl know nothing of
// Claviger and say the same of the key.
func TestOtherProgramsSeeTheSame(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ec-p256", "ec-p384", "rsa-3072"} {
		t.Run(algorithm, func(t *testing.T) {
			s, _ := openSite(t, setting(copySite(t), nil))
			if err := s.Begin(t.Context(), generation(t), map[string]string{"algorithm": algorithm}); err != nil {
				t.Fatal(err)
			}
			var key *ceremony.Key
			for _, key = range s.State().Keys {
			}
			library, env, err := SoftHSM(s.Folder.Practice())
			if err != nil {
				t.Fatal(err)
			}
			pin := userPIN(t, s)
			defer pin.Wipe()
			env = append(env, "CLAVIGER_TEST_PIN="+string(pin.Bytes()))

			listed := tool(t, env, nil, "pkcs11-tool", "--module", library, "--login", "--pin", "env:CLAVIGER_TEST_PIN", "--list-objects", "--type", "privkey")
			var mine string
			for _, object := range strings.Split(listed, "Private Key Object") {
				if strings.Contains(object, key.Body.ID) {
					mine = object
				}
			}
			for _, want := range []string{"label:      signing-key\n", "Usage:      sign\n", "Access:     sensitive, always sensitive, never extractable, local\n"} {
				if !strings.Contains(mine, want) {
					t.Errorf("pkcs11-tool does not say %q:\n%s", want, listed)
				}
			}

			spki, err := s.State().Blob(key.Body.Public)
			if err != nil {
				t.Fatal(err)
			}
			attached := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
			url := "pkcs11:serial=" + s.Token() + ";id=" + percent(key.Body.ID) + ";type=public"
			exported := tool(t, append(env, "GNUTLS_PIN="+string(pin.Bytes())), nil, "p11tool", "--provider", library, "--login", "--export-pubkey", url)
			report, err := s.Evidence(t.Context(), key.Ceremony)
			if err != nil {
				t.Fatal(err)
			}
			saved := t.TempDir()
			tool(t, nil, nil, "pdfdetach", "-saveall", "-o", saved, report)
			fromReport, err := os.ReadFile(filepath.Join(saved, "public-key.pem"))
			if err != nil {
				t.Fatal(err)
			}
			printed := strings.Join(strings.Fields(tool(t, nil, nil, "pdftotext", "-layout", report, "-")), "")
			if !strings.Contains(printed, key.Body.Fingerprint) {
				t.Error("the report does not print the fingerprint")
			}
			for name, in := range map[string][]byte{"the record's": attached, "the report's": fromReport, "p11tool's": []byte(exported)} {
				der := tool(t, nil, in, "openssl", "pkey", "-pubin", "-outform", "DER")
				got := tool(t, nil, []byte(der), "openssl", "dgst", "-sha256", "-r")
				if !strings.HasPrefix(got, key.Body.Fingerprint) {
					t.Errorf("openssl over %s public key: %s, the record says %s", name, got, key.Body.Fingerprint)
				}
			}
		})
	}
}

func percent(hex string) string { return regexp.MustCompile(`..`).ReplaceAllString(hex, "%$0") }

// TestInclusionOfEveryRun: what a report hands out proves that its runs stand in
// the tree that the token signed.
func TestInclusionOfEveryRun(t *testing.T) {
	s, all, _ := played(t)
	cp, _, err := ledger.OpenCheckpoint(s.State().Note, verifiers(t, s)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.State().Ceremonies {
		for _, run := range p.Runs {
			proof, err := ledger.ProveInclusion(t.Context(), s.Record(), run.End-1, cp.Size)
			if err != nil {
				t.Fatal(err)
			}
			if run.Last != all[run.End-1].Leaf {
				t.Errorf("run of %s ends at record %d with another leaf", p.Number, run.End-1)
			}
			if len(proof) == 0 {
				t.Errorf("no proof for record %d", run.End-1)
			}
		}
	}
}

func verifiers(t *testing.T, s *Site) []note.Verifier {
	t.Helper()
	var out []note.Verifier
	for _, k := range s.State().LedgerKeys {
		v, err := ledger.NewVerifier(k.Body.Verifier)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}
