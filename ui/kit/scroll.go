package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"claviger/ui/theme"
)

// revealer is a widget that tells its page when it gets the focus, and hands it
// the keys that move it.
type revealer interface {
	fyne.CanvasObject
	onPage(reveal func(), scroll func(pages float32))
}

// ScrollPage moves a page that NewScroll made by so many of its heights.
func ScrollPage(page *fyne.Container, pages float32) {
	scrollBy(page.Objects[0].(*container.Scroll), pages)
}

// scrollBy leaves a little to hold on to.
func scrollBy(scroll *container.Scroll, pages float32) {
	step := pages * max(scroll.Size().Height-40, 0)
	end := max(scroll.Content.Size().Height-scroll.Size().Height, 0)
	scroll.ScrollToOffset(fyne.NewPos(0, min(max(scroll.Offset.Y+step, 0), end)))
}

// NewScroll makes a page that is as wide as its window and as high as it
// needs, and moves to what gets the focus.
func NewScroll(content fyne.CanvasObject) *fyne.Container {
	scroll := container.NewVScroll(content)
	adopt(content, scroll, scroll)
	return container.New(pageLayout{}, scroll)
}

// adopt tells every widget that can have the focus what it stands in, and what
// its page keys move.
func adopt(o fyne.CanvasObject, in, moves *container.Scroll) {
	switch o := o.(type) {
	case revealer:
		whole := fyne.CanvasObject(o)
		if part, ok := o.(interface{ partOf() fyne.CanvasObject }); ok {
			whole = part.partOf()
		}
		o.onPage(func() { reveal(in, whole) }, func(pages float32) { scrollBy(moves, pages) })
	case *fyne.Container:
		for _, child := range o.Objects {
			adopt(child, in, moves)
		}
	}
}

func reveal(scroll *container.Scroll, o fyne.CanvasObject) {
	top, found := below(scroll.Content, o)
	if !found {
		return
	}
	bottom := top + o.Size().Height
	const air = 24
	switch shown := scroll.Offset.Y; {
	case top-air < shown:
		scroll.ScrollToOffset(fyne.NewPos(0, max(top-air, 0)))
	case bottom+air > shown+scroll.Size().Height:
		scroll.ScrollToOffset(fyne.NewPos(0, bottom+air-scroll.Size().Height))
	}
}

// below says how far down in from o stands. The driver knows that only of what
// was painted already.
func below(from, o fyne.CanvasObject) (float32, bool) {
	if from == o {
		return 0, true
	}
	c, ok := from.(*fyne.Container)
	if !ok {
		return 0, false
	}
	for _, child := range c.Objects {
		if y, found := below(child, o); found {
			return child.Position().Y + y, true
		}
	}
	return 0, false
}

// pageLayout gives the content its width before the scroller asks its height.
type pageLayout struct {
	now fyne.CanvasObject // the part that stays in sight, if any
}

func (l pageLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	for _, o := range children {
		scroll := o.(*container.Scroll)
		heightAt(scroll.Content, size.Width)
		scroll.Resize(size)
		if l.now != nil {
			reveal(scroll, l.now)
		}
	}
}

func (pageLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, 60) }

// NewPage is a page with a dock: what people act with. It stands below the
// content, as on paper, and stays at the foot where the content is longer than
// the window: nobody should have to look for where to sign.
func NewPage(content, dock fyne.CanvasObject) *fyne.Container {
	text := container.NewVScroll(content)
	acts := container.NewVScroll(dock)
	adopt(content, text, text)
	adopt(dock, acts, text)
	return container.New(&dockLayout{}, text, acts, NewRule(theme.Line))
}

type dockLayout struct{}

// A dock takes at most this share of the page; then it scrolls by itself.
const dockShare = 0.62

func (*dockLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	text, acts, rule := children[0].(*container.Scroll), children[1].(*container.Scroll), children[2]
	content := heightAt(text.Content, size.Width)
	dock := min(heightAt(acts.Content, size.Width), size.Height*dockShare)
	top := min(content, size.Height-dock)
	if top < content {
		rule.Show()
	} else {
		rule.Hide()
	}
	text.Resize(fyne.NewSize(size.Width, top))
	rule.Move(fyne.NewPos(0, top))
	rule.Resize(fyne.NewSize(size.Width, 1))
	acts.Move(fyne.NewPos(0, top))
	acts.Resize(fyne.NewSize(size.Width, size.Height-top))
}

func (*dockLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, 60) }
