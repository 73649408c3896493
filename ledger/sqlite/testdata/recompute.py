"""Recomputes a ledger with nothing of Claviger's: python3's standard library and openssl.

usage: recompute.py ledger.db [PROOF-FILE RECORD-NUMBER]

Reads the records, checks chain and stored tree hashes, computes the RFC 6962
tree head by its recursive definition, checks every checkpoint that the ledger
holds with the ledger keys that it holds, and a C2SP tlog-proof if one is given.
Prints one JSON object. Anything that does not hold ends it with a message.
"""

import base64
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import tempfile


def sha256(b):
    return hashlib.sha256(b).digest()


def leaf(record):
    return sha256(b"\x00" + record)


def node(left, right):
    return sha256(b"\x01" + left + right)


def tree(leaves):
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node(tree(leaves[:k]), tree(leaves[k:]))


def stored(leaves):
    """Every complete subtree, in the order in which it is completed."""
    out = []
    for n in range(len(leaves)):
        size = 1
        while (n + 1) % size == 0:
            out.append(tree(leaves[n + 1 - size:n + 1]))
            size *= 2
    return out


def path(m, leaves):
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return path(m, leaves[:k]) + [tree(leaves[k:])]
    return path(m - k, leaves[k:]) + [tree(leaves[:k])]


def canonical(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def need(holds, message):
    if not holds:
        sys.exit(message)


def openssl(*args):
    return subprocess.run(["openssl", *args], capture_output=True).returncode == 0


def verifies(spki, kind, text, signature):
    with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as sig, tempfile.NamedTemporaryFile() as msg:
        for file, content in ((key, spki), (sig, signature), (msg, text)):
            file.write(content)
            file.flush()
        if kind == 2:
            return openssl("dgst", "-sha256", "-verify", key.name, "-keyform", "DER", "-signature", sig.name, msg.name)
        return openssl("pkeyutl", "-verify", "-pubin", "-inkey", key.name, "-keyform", "DER", "-rawin", "-in", msg.name, "-sigfile", sig.name)


def open_note(note, origin, keys):
    """Checks a note by hand: its lines, and the signature of a ledger key."""
    text, signatures = note.split("\n\n")
    text += "\n"
    name, size, root = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\n", text).groups()
    need(name == origin, "the checkpoint is another site's")
    good = 0
    for line in signatures.splitlines():
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        for key_id, kind, spki in keys:
            if signer == origin and raw[:4] == key_id:
                need(verifies(spki, kind, text.encode(), raw[4:]), "a checkpoint's signature doesn't hold")
                good += 1
    need(good > 0, "a checkpoint has no signature by a ledger key")
    return int(size), base64.b64decode(root, validate=True)


def check_proof(file, record, origin, keys, leaves):
    head, note = open(file, encoding="utf-8").read().split("\n\n", 1)
    lines = head.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1] == "index %d" % record, "the proof isn't one of that record")
    given = [base64.b64decode(line, validate=True) for line in lines[2:]]
    size, root = open_note(note, origin, keys)
    need(given == path(record, leaves[:size]), "the proof isn't the one that these records give")
    # RFC 9162 section 2.1.3.2.
    fn, sn, r = record, size - 1, leaves[record]
    for p in given:
        need(sn != 0, "the path is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and r == root, "the proof doesn't hold")


def main(file, proof=None, record=None):
    db = sqlite3.connect("file:%s?mode=ro" % file, uri=True)
    lines = [bytes(b) for (b,) in db.execute("SELECT bytes FROM record ORDER BY seq")]
    leaves = [leaf(b) for b in lines]
    blobs = {bytes(h): bytes(b) for h, b in db.execute("SELECT sha256, bytes FROM blob")}
    need(all(sha256(b) == h for h, b in blobs.items()), "a blob doesn't hash to its name")
    prev, records = bytes(32), []
    for seq, line in enumerate(lines):
        r = json.loads(line)
        need(canonical(r) == line, "record %d isn't canonical" % seq)
        need(r["seq"] == seq and r["prev"] == prev.hex(), "record %d breaks the chain" % seq)
        prev = leaves[seq]
        records.append(r)
    need([bytes(b) for (b,) in db.execute("SELECT bytes FROM hash ORDER BY pos")] == stored(leaves), "a stored hash differs")

    site = base64.b32encode(leaves[0][:16]).decode().rstrip("=").lower()
    origin = ("claviger-practice/" if records[0]["body"].get("practice") else "claviger/") + site
    keys, checkpoints = [], 0
    for r in records:
        if r["kind"] == "ledger-key.enrolled":
            name, key_id, key = r["body"]["verifier"].split("+", 2)
            raw, spki = base64.b64decode(key), blobs[bytes.fromhex(r["body"]["public"])]
            need(name == origin, "a ledger key is another site's")
            if raw[0] == 2:
                need(raw[1:] == spki and bytes.fromhex(key_id) == sha256(spki)[:4], "a ledger key's id isn't its own")
            else:
                need(raw[0] == 1 and spki.endswith(raw[1:]) and bytes.fromhex(key_id) == sha256(name.encode() + b"\n" + raw)[:4], "a ledger key's id isn't its own")
            keys.append((bytes.fromhex(key_id), raw[0], spki))
        if r["kind"] == "checkpoint.signed":
            size, root = open_note(r["body"]["note"], origin, keys)
            need(size <= r["seq"] and tree(leaves[:size]) == root, "the checkpoint in record %d isn't this ledger's" % r["seq"])
            checkpoints += 1
    if proof:
        check_proof(proof, int(record), origin, keys, leaves)
    print(json.dumps({"size": len(lines), "last": prev.hex(), "root": tree(leaves).hex(), "origin": origin, "checkpoints": checkpoints}))


main(*sys.argv[1:])
