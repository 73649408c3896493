// Package p11 speaks PKCS#11 to one vendor library, through miekg/pkcs11; it is
// the only importer of it.
//
// # One process, one thread
//
// [Open] loads foreign C code into this process: it may crash it, hang it, read
// its memory. So only hsm/worker's child calls it, on one locked thread. Nothing
// here is safe for two goroutines; two of them on one session were seen to crash
// the process 28 times out of 30.
//
// # Secrets
//
// PINs are handed to miekg/pkcs11 as a string that points into the locked page,
// so no Go copy is made. miekg/pkcs11 copies it once into C memory and frees that
// without zeroing; random bytes come the same way back. Those copies, and the
// vendor's own, exist in this process only, which is why the worker sets the C
// library to overwrite freed memory, and why it ends with the ceremony.
//
// # Tokens
//
// A token is found by its serial number in the current slot list every time:
// slot numbers move (SoftHSM renumbers after an initialisation).
//
// Built without cgo, [Open] only says so.
package p11
