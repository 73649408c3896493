package kit

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
)

// revealer is a widget that tells its page when it gets the focus.
type revealer interface {
	fyne.CanvasObject
	onFocus(func())
}

// NewScroll makes a page that is as wide as its window and as high as it
// needs, and moves to what gets the focus.
func NewScroll(content fyne.CanvasObject) *fyne.Container {
	scroll := container.NewVScroll(content)
	adopt(scroll, content)
	return container.New(pageLayout{}, scroll)
}

// adopt tells every widget of a page that can have the focus where it is.
func adopt(scroll *container.Scroll, o fyne.CanvasObject) {
	switch o := o.(type) {
	case revealer:
		o.onFocus(func() { reveal(scroll, o) })
	case *fyne.Container:
		for _, child := range o.Objects {
			adopt(scroll, child)
		}
	}
}

func reveal(scroll *container.Scroll, o fyne.CanvasObject) {
	driver := fyne.CurrentApp().Driver()
	top := driver.AbsolutePositionForObject(o).Y - driver.AbsolutePositionForObject(scroll.Content).Y
	bottom := top + o.Size().Height
	const air = 24
	switch shown := scroll.Offset.Y; {
	case top-air < shown:
		scroll.ScrollToOffset(fyne.NewPos(0, max(top-air, 0)))
	case bottom+air > shown+scroll.Size().Height:
		scroll.ScrollToOffset(fyne.NewPos(0, bottom+air-scroll.Size().Height))
	}
}

// pageLayout gives the content its width before the scroller asks its height.
type pageLayout struct{}

func (pageLayout) Layout(children []fyne.CanvasObject, size fyne.Size) {
	for _, o := range children {
		heightAt(o.(*container.Scroll).Content, size.Width)
		o.Resize(size)
	}
}

func (pageLayout) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, 60) }
