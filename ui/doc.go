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
// # Titles
//
// The window's title names the step, the kind of the prompt and who answers,
// and counts the prompts: it is another one for each prompt and is set when the
// page is ready for keys. A driver waits for it.
//
// # Scanners
//
// A scanner is a fast keyboard and may send a line feed or a Tab after its
// Enter. After a card the next page therefore gets the focus only when the
// keys have been quiet; until then they fall into nothing.
package ui
