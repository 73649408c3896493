package flow

// Pager holds the few pages of a long list that are looked at. What is missing
// is fetched beside the window's thread, one page at a time, the newest wish
// first: pages that were scrolled past are never read. It belongs to the
// window's thread.
type Pager[T any] struct {
	fetch   func(page int)
	pages   map[int][]T
	used    []int // newest last
	wish    int
	pending bool
}

// PageRows is how many rows a fetch brings, keptPages how many pages stay.
const (
	PageRows  = 64
	keptPages = 8
)

// NewPager calls fetch for a page that is missing; its rows come back by Got.
func NewPager[T any](fetch func(page int)) *Pager[T] {
	return &Pager[T]{fetch: fetch, pages: map[int][]T{}, wish: -1}
}

// Row gives a row, or asks for its page.
func (p *Pager[T]) Row(i int) (row T, ok bool) {
	page := i / PageRows
	rows, ok := p.pages[page]
	if !ok {
		p.want(page)
		return row, false
	}
	p.touch(page)
	if i%PageRows >= len(rows) {
		return row, false
	}
	return rows[i%PageRows], true
}

func (p *Pager[T]) want(page int) {
	if p.pending {
		p.wish = page
		return
	}
	p.pending, p.wish = true, -1
	p.fetch(page)
}

// Got takes the rows of a page in.
func (p *Pager[T]) Got(page int, rows []T) {
	p.pages[page] = rows
	p.touch(page)
	if len(p.used) > keptPages {
		delete(p.pages, p.used[0])
		p.used = p.used[1:]
	}
	p.pending = false
	if p.wish >= 0 && p.pages[p.wish] == nil {
		p.want(p.wish)
	}
}

func (p *Pager[T]) touch(page int) {
	for i, u := range p.used {
		if u == page {
			p.used = append(append(p.used[:i:i], p.used[i+1:]...), page)
			return
		}
	}
	p.used = append(p.used, page)
}
