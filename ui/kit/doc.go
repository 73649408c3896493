// Package kit holds the window's widgets. None of them knows what a ceremony
// is: they take text, numbers and tones.
//
// # Drawing
//
// [Text] and [Box] are the only things that draw; everything else is made of
// them. Both take names of package theme and look the value up when they are
// drawn, so a change of appearance or text size, and a darker part of the
// window, need no second word. Text wraps at the width it is given, therefore
// heights follow widths: a layout here first sets a child's width and then
// asks how high it is. [NewScroll] does that for a whole page.
//
// # Keys
//
// Enter and Space act on a button, Tab goes on and is never held, Escape never
// acts (it closes a [ConfirmPanel], which then has done nothing). What has the
// focus wears a ring, and a page scrolls to it. The toolkit's own button takes
// Space only, and its confirm dialog ignores Escape and can be walked into Yes
// with two Tabs: that is why both are made anew.
//
// # Secrets
//
// [SecretEntry] and [GroupCells] take one rune at a time into a locked
// [secret.Buffer]; neither has a clipboard, an undo, a way of showing what was
// typed, or a string of it. The toolkit's entry keeps Go strings that nobody
// can wipe.
//
// # Colour
//
// A tone (good, waiting, bad) always comes with a word or a mark.
package kit
