// Package flow decides what a screen shows and what it may do. It makes plain
// structs out of what the engine tells ([ceremony.Snapshot]) and asks
// ([ceremony.Prompt]), and answers out of what people typed. It draws nothing
// and keeps nothing, so every screen is tested as a table.
//
// # Parts
//
// [NewFrame] is what stands around every page: band, header, rail, people,
// strip. [NewPage] is the page for one prompt. [NewOverview] is the first page,
// [NewPreparation] the form before a ceremony, [NewDone] the last page.
// [Title] names the page in the window's title: each prompt has another one, so
// that whoever drives the window waits for it and never sleeps.
//
// # Pages of the record
//
// A [Table] lists things (ceremonies, keys, what is in custody, people, evidence),
// a [Detail] tells all of one of them and lists the records that name it. Both are
// made from a [Record], which is lent for that long. The ledger's own list is read
// a page at a time by a [Pager]; [Search] finds records by kind, ceremony, person
// or words.
//
// # Texts
//
// What people read stands in texts.go, here and in each package of the window; whole
// sentences with places to fill in, so that another language can order them as it
// must. Words of a script stay in the language of the script.
package flow
