package audit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
)

// maxStream bounds what one stream of a hostile file may inflate to.
const maxStream = 64 << 20

// container is a PDF as objects.
type container struct {
	table *model.XRefTable
	root  types.Dict
	info  types.Dict
}

// readPDF reads the file's objects. A parser that meets hostile bytes may panic
// where it should return an error; here both mean that the file cannot be read.
func readPDF(b []byte) (c *container, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("couldn't read the PDF: %v", p)
		}
	}()
	api.DisableConfigDir()
	conf := model.NewDefaultConfiguration()
	conf.Offline = true
	ctx, err := api.ReadContext(bytes.NewReader(b), conf)
	if err != nil {
		return nil, fmt.Errorf("couldn't read the PDF: %w", err)
	}
	c = &container{table: ctx.XRefTable}
	if ctx.Root == nil {
		return nil, errors.New("couldn't read the PDF: it has no catalog")
	}
	if c.root, err = c.dict(*ctx.Root); err != nil || c.root == nil {
		return nil, fmt.Errorf("couldn't read the PDF: its catalog can't be read: %v", err)
	}
	if ctx.Info != nil {
		if c.info, err = c.dict(*ctx.Info); err != nil {
			return nil, fmt.Errorf("couldn't read the PDF: %w", err)
		}
	}
	return c, nil
}

// twoReadings says why a file could be read in two ways. Later revisions and
// objects that are there twice are how a signed PDF is made to show something
// else ("shadow attacks"); a file that was only written again has neither.
func twoReadings(b []byte) string {
	if !bytes.HasPrefix(b, []byte("%PDF-")) {
		return "something stands before the PDF"
	}
	tables, seen := 0, map[string]bool{}
	for len(b) > 0 {
		line := b
		if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if word, _ := token(line); isWord(word, "startxref") {
			tables++
		}
		switch number := objectOf(line); {
		case number == "":
		case seen[number]:
			return "object " + number + " is in the file twice"
		default:
			seen[number] = true
		}
	}
	if tables != 1 {
		return fmt.Sprintf("the file has %d tables of objects where one revision has one", tables)
	}
	return ""
}

// objectOf is the number of the object that begins on a line, "" where none does.
func objectOf(line []byte) string {
	number, rest := token(line)
	generation, rest := token(rest)
	word, _ := token(rest)
	if !digits(number) || !digits(generation) || !isWord(word, "obj") {
		return ""
	}
	return string(bytes.TrimLeft(number, "0"))
}

// token splits the first word off a line, at white space of PDF 1.7, 7.2.2.
func token(line []byte) (word, rest []byte) {
	const white = "\x00\t\f "
	line = bytes.TrimLeft(line, white)
	if i := bytes.IndexAny(line, white); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}

func digits(b []byte) bool {
	return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0
}

// isWord says whether a keyword stands here; a delimiter ends it, too.
func isWord(b []byte, keyword string) bool {
	rest, ok := bytes.CutPrefix(b, []byte(keyword))
	return ok && (len(rest) == 0 || strings.IndexByte("()<>[]{}/%", rest[0]) >= 0)
}

func (c *container) get(o types.Object) (types.Object, error) {
	o, err := c.table.Dereference(o)
	if err != nil {
		return nil, err
	}
	switch v := o.(type) {
	case *types.StreamDict:
		return *v, nil
	case types.StreamDict:
		return v, nil
	}
	return o, nil
}

func (c *container) dict(o types.Object) (types.Dict, error) {
	o, err := c.get(o)
	if err != nil {
		return nil, err
	}
	switch v := o.(type) {
	case nil:
		return nil, nil
	case types.Dict:
		return v, nil
	case types.StreamDict:
		return v.Dict, nil
	}
	return nil, fmt.Errorf("a dictionary was expected, found %T", o)
}

func (c *container) array(o types.Object) (types.Array, error) {
	o, err := c.get(o)
	if err != nil || o == nil {
		return nil, err
	}
	a, ok := o.(types.Array)
	if !ok {
		return nil, fmt.Errorf("an array was expected, found %T", o)
	}
	return a, nil
}

// stream gives the decoded bytes of a stream.
func (c *container) stream(o types.Object) ([]byte, error) {
	o, err := c.get(o)
	if err != nil {
		return nil, err
	}
	sd, ok := o.(types.StreamDict)
	if !ok {
		return nil, fmt.Errorf("a stream was expected, found %T", o)
	}
	return inflate(sd)
}

func inflate(sd types.StreamDict) ([]byte, error) {
	if sd.FilterPipeline == nil {
		return sd.Raw, nil
	}
	if err := sd.DecodeWithLimit(maxStream); err != nil {
		return nil, err
	}
	return sd.Content, nil
}

// str gives the bytes of a string, however it is spelled.
func str(o types.Object) ([]byte, bool) {
	switch v := o.(type) {
	case types.StringLiteral:
		b, err := types.Unescape(string(v))
		return b, err == nil
	case types.HexLiteral:
		b, err := v.Bytes()
		return b, err == nil
	}
	return nil, false
}

// text decodes a text string of PDF 1.7, 7.9.2.2.
func text(o types.Object) string {
	b, ok := str(o)
	if !ok {
		return ""
	}
	if bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return utf16be(b[2:])
	}
	return string(b)
}

func utf16be(b []byte) string {
	var u []uint16
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return string(utf16.Decode(u))
}

// attachment is a file inside the PDF.
type attachment struct {
	name    string
	content []byte
	err     error
}

// attachments lists the embedded files of the document's name tree.
func (c *container) attachments() ([]attachment, error) {
	names, err := c.dict(c.root["Names"])
	if err != nil || names == nil {
		return nil, err
	}
	var out []attachment
	var walk func(o types.Object, depth int) error
	walk = func(o types.Object, depth int) error {
		node, err := c.dict(o)
		if err != nil || node == nil {
			return err
		}
		if depth > 16 {
			return errors.New("its tree of attachments is too deep")
		}
		kids, err := c.array(node["Kids"])
		if err != nil {
			return err
		}
		for _, k := range kids {
			if err := walk(k, depth+1); err != nil {
				return err
			}
		}
		pairs, err := c.array(node["Names"])
		if err != nil {
			return err
		}
		for i := 1; i < len(pairs); i += 2 {
			spec, err := c.dict(pairs[i])
			if err != nil || spec == nil {
				return fmt.Errorf("an attachment can't be read: %v", err)
			}
			a := attachment{}
			for _, key := range []string{"UF", "F"} {
				if o, err := c.get(spec[key]); err == nil && a.name == "" {
					a.name = text(o)
				}
			}
			ef, err := c.dict(spec["EF"])
			if err != nil {
				return err
			}
			a.content, a.err = c.stream(ef["F"])
			out = append(out, a)
		}
		return nil
	}
	return out, walk(names["EmbeddedFiles"], 0)
}

// creator is the program that the document names.
func (c *container) creator() string {
	o, err := c.get(c.info["Creator"])
	if err != nil {
		return ""
	}
	return text(o)
}

// pages lists the leaves of the page tree, each with what it inherits.
func (c *container) pages() ([]types.Dict, error) {
	var out []types.Dict
	var walk func(o types.Object, inherited types.Dict, depth int) error
	walk = func(o types.Object, inherited types.Dict, depth int) error {
		node, err := c.dict(o)
		if err != nil || node == nil {
			return fmt.Errorf("a page can't be read: %v", err)
		}
		if depth > 32 || len(out) > 100_000 {
			return errors.New("its tree of pages is too deep")
		}
		here := types.Dict{}
		for _, key := range []string{"Resources", "MediaBox", "CropBox", "Rotate"} {
			if v, ok := node[key]; ok {
				here[key] = v
			} else if v, ok := inherited[key]; ok {
				here[key] = v
			}
		}
		kids, err := c.array(node["Kids"])
		if err != nil {
			return err
		}
		if node["Kids"] == nil {
			for k, v := range node {
				if k != "Parent" {
					here[k] = v
				}
			}
			out = append(out, here)
			return nil
		}
		for _, k := range kids {
			if err := walk(k, here, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return out, walk(c.root["Pages"], types.Dict{}, 0)
}

// contents of a page, its parts joined as a viewer joins them.
func (c *container) contents(page types.Dict) ([]byte, error) {
	o, err := c.get(page["Contents"])
	if err != nil || o == nil {
		return nil, err
	}
	if _, ok := o.(types.StreamDict); ok {
		return c.stream(o)
	}
	parts, err := c.array(o)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, p := range parts {
		b, err := c.stream(p)
		if err != nil {
			return nil, err
		}
		out = append(append(out, b...), '\n')
	}
	return out, nil
}

// comparison of a file with the one that its records make.
type comparison struct {
	have, want *container
	seen       map[[2]int]bool
}

// difference is the first place, in words, where two documents part.
type difference struct{ rule, why string }

// compare lists where the documents differ: pages first, each once, then
// everything else that the catalog reaches. Numbers of objects, compression and
// what a tool that rewrites files adds beside the catalog do not count.
func compare(have, want *container) []difference {
	c := &comparison{have, want, map[[2]int]bool{}}
	var out []difference
	hp, err := have.pages()
	if err != nil {
		return []difference{{"pdf.page", err.Error()}}
	}
	wp, err := want.pages()
	if err != nil {
		return []difference{{"pdf.page", err.Error()}}
	}
	if len(hp) != len(wp) {
		out = append(out, difference{"pdf.page", fmt.Sprintf("the document has %d pages, its records make %d", len(hp), len(wp))})
	}
	for i := range min(len(hp), len(wp)) {
		if why := c.page(hp[i], wp[i]); why != "" {
			out = append(out, difference{"pdf.page", fmt.Sprintf("page %d is not what the records make: %s", i+1, why)})
		}
		if len(out) > 20 {
			return out
		}
	}
	if out != nil {
		return out
	}
	if where := c.same("document properties", have.info, want.info, 0); where != "" {
		out = append(out, difference{"pdf.object", where + " differs from what the records make"})
	}
	if where := c.catalog(); where != "" {
		out = append(out, difference{"pdf.object", where + " differs from what the records make"})
	}
	return out
}

func (c *comparison) page(have, want types.Dict) string {
	hc, err := c.have.contents(have)
	if err != nil {
		return "its content can't be read: " + err.Error()
	}
	wc, err := c.want.contents(want)
	if err != nil {
		return err.Error()
	}
	if !bytes.Equal(bytes.TrimRight(hc, "\n"), bytes.TrimRight(wc, "\n")) {
		return parting(hc, wc)
	}
	if where := c.dicts("what its text is drawn with", have, want, 0, "Contents"); where != "" {
		return where + " differs"
	}
	return ""
}

// parting says in the page's own words where two contents part.
func parting(have, want []byte) string {
	hl, wl := bytes.Split(have, []byte("\n")), bytes.Split(want, []byte("\n"))
	i := 0
	for i < len(hl) && i < len(wl) && bytes.Equal(hl[i], wl[i]) {
		i++
	}
	words := func(lines [][]byte) string {
		if i < len(lines) {
			if s := shown(lines[i]); s != "" {
				return "“" + s + "”"
			}
		}
		return "something else"
	}
	return fmt.Sprintf("it shows %s where the records give %s", words(hl), words(wl))
}

// shown is the text of one drawing line: our fonts' codes are UTF-16.
func shown(line []byte) string {
	from, to := bytes.IndexByte(line, '('), bytes.LastIndex(line, []byte(") Tj"))
	if from < 0 || to < from {
		return ""
	}
	b, err := types.Unescape(string(line[from+1 : to]))
	if err != nil {
		return ""
	}
	return utf16be(b)
}

// catalog compares what the catalog reaches. The page tree may be built in
// another shape; its pages were compared one by one.
func (c *comparison) catalog() string {
	h, w := c.have.root.Clone().(types.Dict), c.want.root.Clone().(types.Dict)
	for _, d := range []types.Dict{h, w} {
		delete(d, "Pages")
		delete(d, "Extensions")
	}
	return c.same("the catalog", h, w, 0)
}

// same walks two objects at once and names the first place where they differ.
func (c *comparison) same(where string, have, want types.Object, depth int) string {
	hr, h := have.(types.IndirectRef)
	wr, w := want.(types.IndirectRef)
	if h && w {
		pair := [2]int{hr.ObjectNumber.Value(), wr.ObjectNumber.Value()}
		if c.seen[pair] {
			return ""
		}
		c.seen[pair] = true
	}
	if depth > 64 {
		return where
	}
	a, err := c.have.get(have)
	if err != nil {
		return where
	}
	b, err := c.want.get(want)
	if err != nil {
		return where
	}
	switch b := b.(type) {
	case types.StreamDict:
		a, ok := a.(types.StreamDict)
		if !ok {
			return where
		}
		ab, err := inflate(a)
		if err != nil {
			return where
		}
		bb, err := inflate(b)
		if err != nil || !bytes.Equal(ab, bb) {
			return where
		}
		return c.dicts(where, a.Dict, b.Dict, depth, "Length", "Filter", "DecodeParms", "DL")
	case types.Dict:
		a, ok := a.(types.Dict)
		if !ok {
			return where
		}
		if t := b.Type(); t != nil && *t == "Page" {
			// Reached from a bookmark; pages were compared one by one, and here
			// only that it is the same one counts.
			return c.samePage(where, a, b)
		}
		return c.dicts(where, a, b, depth)
	case types.Array:
		a, ok := a.(types.Array)
		if !ok || len(a) != len(b) {
			return where
		}
		for i := range b {
			if at := c.same(where, a[i], b[i], depth+1); at != "" {
				return at
			}
		}
		return ""
	case types.StringLiteral, types.HexLiteral:
		x, ok1 := str(a)
		y, ok2 := str(b)
		if !ok1 || !ok2 || !bytes.Equal(x, y) {
			return where
		}
		return ""
	case types.Integer, types.Float:
		x, ok1 := number(a)
		y, ok2 := number(b)
		if !ok1 || !ok2 || x != y {
			return where
		}
		return ""
	}
	if a != b {
		return where
	}
	return ""
}

func (c *comparison) samePage(where string, have, want types.Dict) string {
	hc, err1 := c.have.contents(have)
	wc, err2 := c.want.contents(want)
	if err1 != nil || err2 != nil || !bytes.Equal(bytes.TrimRight(hc, "\n"), bytes.TrimRight(wc, "\n")) {
		return where
	}
	return ""
}

func (c *comparison) dicts(where string, have, want types.Dict, depth int, but ...string) string {
	for _, d := range []types.Dict{have, want} {
		for k := range d {
			_, h := have[k]
			_, w := want[k]
			if !slices.Contains(but, k) && h != w {
				return where + " (" + k + ")"
			}
		}
	}
	var names []string
	for k := range want {
		if !slices.Contains(but, k) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	for _, k := range names {
		at := where
		if !strings.Contains(where, ")") {
			at += " (" + k + ")"
		}
		if at := c.same(at, have[k], want[k], depth+1); at != "" {
			return at
		}
	}
	return ""
}

func number(o types.Object) (float64, bool) {
	switch v := o.(type) {
	case types.Integer:
		return float64(v.Value()), true
	case types.Float:
		return v.Value(), true
	}
	return 0, false
}
