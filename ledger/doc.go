// Package ledger is the record that everything else in Claviger is derived
// from: an append-only list of records, each one line of canonical JSON,
// linked into a chain and a Merkle tree, and signed by checkpoints.
//
// # Vocabulary
//
// A [Record] is one line of RFC 8785 JSON without its newline. Its leaf is the
// RFC 6962 leaf hash of exactly those bytes; the next record carries it as
// prev, so that one hash is both the link of the chain and the leaf of the
// tree. A [Head] says how long the ledger is and what it holds. A [Checkpoint]
// is a head signed by the site's ledger key (C2SP tlog-checkpoint); people's
// cosignatures stand beside it (C2SP tlog-cosignature). A blob is content that
// records refer to by SHA-256. A [Finding] is one thing that does not hold.
//
// # What it promises
//
// What [Build] makes, [Parse] accepts, and what Parse accepts has exactly one
// spelling: a value that could be written in two ways is refused, never
// normalised. [Store.Append] adds a whole batch or nothing, only onto the head
// that the caller names. [VerifyChain] recomputes every hash that is stored and
// trusts none.
//
// # What it does not do
//
// It does not know what a body means (package ceremony does), and by itself it
// stops no insider who can write the file: a chain of 100 000 records is
// re-linked in under a second. Signatures, checkpoints and the heads that
// people and tokens keep outside the file do that; this package makes and
// checks those.
//
// # Who may call
//
// A [Store] is safe for concurrent use; [Memory] is the one for tests and
// rehearsed moves, package ledger/sqlite the one that lasts. Everything else
// here is a plain function or value.
package ledger
