// Package script reads the YAML file of a ceremony and gives a checked plan.
//
// # A script is data
//
// A script names the roles it needs, the parameters an order fills in, and the
// steps, in phases. It holds no behaviour: what a step of some kind does is Go
// code, found by the kind's name. A script is known by the SHA-256 of its bytes,
// which is what an approver orders and what the record carries.
//
// # Strict
//
// [Parse] refuses whatever two readers could understand differently: an unknown
// or duplicate key, an alias, an anchor or a tag, a second document, text that is
// too long, that has more than one line or holds characters nobody sees. Every
// refusal is an [Error] with line, column, what was found and what was expected.
//
// # From script to ceremony
//
// [Plan.Bind] takes the values of an order, checks each by its type, fills in
// the defaults and gives the [Bound] plan: {{name}} replaced in titles, in what is
// read aloud and in what the kinds are given; steps whose condition does not hold
// left out; the rest numbered from one. A value is put in once and never read for
// placeholders again.
//
// Not here: whether the steps can work in this order (a kind's own demands), and
// whether the people, token and sets that values name exist. Package ceremony
// asks that of the kinds and of the ledger.
package script
