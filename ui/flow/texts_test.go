package flow

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// words: what people would read as words, and not a name for the program.
var words = regexp.MustCompile(`\pL[,.:;)]*\s+[(“]*\pL|^\p{Lu}\p{Ll}`)

// TestTextsStandInOnePlace: who translates the window reads the three files texts.go
// and nothing else.
func TestTextsStandInOnePlace(t *testing.T) {
	for _, dir := range []string{"..", "../view", "../kit", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || filepath.Base(name) == "texts.go" {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				l, ok := n.(*ast.BasicLit)
				if !ok || l.Kind != token.STRING {
					return true
				}
				if text, err := strconv.Unquote(l.Value); err == nil && words.MatchString(text) {
					t.Errorf("%s: %s belongs into texts.go", set.Position(l.Pos()), l.Value)
				}
				return true
			})
		}
	}
}
