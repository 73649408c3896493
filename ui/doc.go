// Package ui is the window: its shell, where one can go, and the room that the
// engine plays in.
//
// # Threads
//
// The window has one thread and everything of Fyne belongs to it. The engine
// plays in a goroutine of its own; its [ceremony.Room] hands each prompt to the
// window's thread through the one [Dispatcher] and waits on a channel for the
// answer. Whatever reads a ledger or an HSM runs in such a goroutine too; the
// window is locked meanwhile and says why.
//
// # Places
//
// Outside of ceremonies there are places, in the panel and in the menu “Go”. Their
// pages are made while the [Program] lends the record, beside the window's thread;
// a page that leads to another one stays behind it and comes back as it was left.
// What must not be left half done (a copy, a verification) locks the places until
// it ends.
//
// # Titles
//
// The window's title names the step, the kind of the prompt and who answers,
// and counts the prompts: it is another one for each prompt and is set when the
// page is ready for keys. A driver waits for it.
//
// # Witnesses
//
// The public view stands in a window of its own, or over the main one where
// there is one screen only. It is made from the snapshot and the prompt, never
// from a page, and becomes the neutral card before a private field is made and
// stays that until the field is gone.
//
// # The keyboard
//
// Before a private entry the keyboard is handed over: a card names who comes, and
// only that person's key makes the field. Who goes on privately is not asked
// again; whatever is public in between, a sheet too, asks again.
//
// # Scanners
//
// A scanner is a fast keyboard and may send a line feed or a Tab after its
// Enter. After a card the next page therefore gets the focus only when the
// keys have been quiet; until then they fall into nothing.
package ui
