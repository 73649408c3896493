package ceremony

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"claviger/assets"
	"claviger/ledger"
)

// ReceiptFile lies beside the evidence and speaks of the file that was closed last.
const ReceiptFile = "ledger-closed.txt"

// Closing is what that receipt says of the file: every unused byte of it is
// covered, which chain and tree don't reach.
type Closing struct {
	At     time.Time
	Origin string
	Head   ledger.Head
	Bytes  int64
	SHA256 ledger.Hash
}

// String is the receipt as it is read aloud, and written down, when the
// workstation goes back into its bag.
func (c Closing) String() string {
	return fmt.Sprintf(`The ledger as it was closed

Closed         %s
Site           %s
Records        %d
Tree head      %s
Last record    %s
File           ledger.db, %d bytes
SHA-256        %s
In words       %s

sha256sum ledger.db must give the same digits as long as nobody opens the
ledger for writing. The next opening writes to the file, and gives a new receipt.
`, ledger.FormatTime(c.At), c.Origin, c.Head.Size, c.Head.Root, c.Head.Last, c.Bytes, c.SHA256, inWords(c.SHA256))
}

// inWords is a hash for reading aloud.
func inWords(h ledger.Hash) string { return strings.Join(assets.PGPWords(h[:]), " ") }

// parseClosing takes a receipt exactly as String makes it.
func parseClosing(text string) (Closing, error) {
	said := map[string]string{}
	for line := range strings.Lines(text) {
		if len(line) > labelWidth {
			said[strings.TrimSpace(line[:labelWidth])] = strings.TrimSpace(line[labelWidth:])
		}
	}
	// What is not understood comes out differently below.
	c := Closing{Origin: said["Site"]}
	c.At, _ = ledger.ParseTime(said["Closed"])
	c.Head.Root, _ = ledger.ParseHash(said["Tree head"])
	c.Head.Last, _ = ledger.ParseHash(said["Last record"])
	c.SHA256, _ = ledger.ParseHash(said["SHA-256"])
	c.Head.Size, _ = strconv.ParseInt(said["Records"], 10, 64)
	fmt.Sscanf(said["File"], "ledger.db, %d bytes", &c.Bytes)
	if c.String() != text {
		return Closing{}, errors.New("it is not as it was written")
	}
	return c, nil
}

const labelWidth = len("Last record    ")

// Closed writes the receipt of the ledger's file, which is closed by now.
func (e *Engine) Closed(bytes int64, sum ledger.Hash) error {
	if e.head.Size == 0 || len(e.findings) > 0 {
		return nil
	}
	c := Closing{At: e.host.Now(), Origin: e.state.Site.Origin, Head: e.head, Bytes: bytes, SHA256: sum}
	return replace(e.folder.receipt(), []byte(c.String()))
}

func (f *Folder) receipt() string { return filepath.Join(f.Dir, "evidence", ReceiptFile) }

// LastClosed is how the ledger's file was found at a start, beside the receipt of its
// last closing.
type LastClosed struct {
	Receipt *Closing // nil where there is none
	Why     string   // the receipt or the file tells nothing: why
	Same    bool     // the file is, byte for byte, what the receipt says
}

// LastClosed holds the file, of this length and SHA-256, against the receipt. err is why
// the file could not be hashed. Nothing is refused for what comes out: every record
// is verified by itself.
func (f *Folder) LastClosed(bytes int64, sum ledger.Hash, err error) LastClosed {
	b, rerr := os.ReadFile(f.receipt())
	if errors.Is(rerr, os.ErrNotExist) {
		return LastClosed{}
	}
	var c Closing
	if rerr == nil {
		c, rerr = parseClosing(string(b))
	}
	if rerr != nil {
		return LastClosed{Why: fmt.Sprintf("the receipt %s can't be read: %v", f.receipt(), rerr)}
	}
	if err != nil {
		return LastClosed{Receipt: &c, Why: err.Error()}
	}
	return LastClosed{Receipt: &c, Same: bytes == c.Bytes && sum == c.SHA256}
}
