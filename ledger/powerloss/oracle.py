"""Reads folder names, opens the ledger.db in each with python's own SQLite and
says what it holds: a line "ok SIZE LAST" or "bad WHY" for each folder."""

import hashlib
import json
import sqlite3
import sys


def look(folder):
    db = sqlite3.connect(folder + "/ledger.db")
    try:
        found = db.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            return "bad integrity: %s" % found
        prev, size = bytes(32), 0
        for seq, line in db.execute("SELECT seq, bytes FROM record ORDER BY seq"):
            record = json.loads(line)
            if seq != size or record["seq"] != size or record["prev"] != prev.hex():
                return "bad chain at record %d" % seq
            prev = hashlib.sha256(b"\x00" + line).digest()
            size += 1
        for name, content in db.execute("SELECT sha256, bytes FROM blob"):
            if hashlib.sha256(content).digest() != name:
                return "bad blob %s" % name.hex()
        return "ok %d %s" % (size, prev.hex())
    except Exception as e:
        return "bad %s" % e
    finally:
        db.close()


for line in sys.stdin:
    print(look(line.rstrip("\n")), flush=True)
