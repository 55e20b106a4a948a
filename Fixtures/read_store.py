#!/usr/bin/env python3
"""Prints every event of a store as a JSON line, and checks every checksum, tag, link and index on the way. Writes nothing.
Written from the article on the format (OnDiskFormat.md) alone; needs the packages cryptography and lz4.
Exit status: 0 sound, 1 damaged, 3 wrong key. A torn tail, which was never acknowledged, is told on stderr."""
import argparse, base64, functools, hashlib, hmac, itertools, json, os, re, struct, sys, uuid, lz4.block
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MASK, EVENT, DOCUMENT = (1 << 64) - 1, 1, 3
class Damage(Exception): pass
class WrongKey(Exception): pass
def check(condition, what):
    if not condition: raise Damage(what)
u16, u32, u64 = (lambda data, at, form=form: struct.unpack_from(form, data, at)[0] for form in ("<H", "<I", "<Q"))
CRC_TABLE = [functools.reduce(lambda n, _: n >> 1 ^ 0x82F63B78 * (n & 1), range(8), n) for n in range(256)]
def crc32c(*parts):
    crc = 0xFFFFFFFF
    for byte in b"".join(parts): crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
def siphash(key, data):
    rotate = lambda x, n: (x << n | x >> 64 - n) & MASK
    a, b, c, d = (k ^ n for k, n in zip(struct.unpack("<QQ", key) * 2, struct.unpack(">4Q", b"somepseudorandomlygeneratedbytes")))
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for word in struct.unpack(f"<{len(padded) // 8}Q", padded) + (None,):
        c, d = (c ^ 255, d) if word is None else (c, d ^ word)
        for _ in range(4 if word is None else 2):
            a = a + b & MASK; b = rotate(b, 13) ^ a; a = rotate(a, 32); c = c + d & MASK; d = rotate(d, 16) ^ c
            a = a + d & MASK; d = rotate(d, 21) ^ a; c = c + b & MASK; b = rotate(b, 17) ^ c; c = rotate(c, 32)
        a ^= word or 0
    return a ^ b ^ c ^ d
def hkdf(key, salt, info, length): return HKDF(hashes.SHA256(), length, salt, info).derive(key)
def decrypt(key, nonce, sealed, associated, what):
    try: return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag: raise Damage(f"{what}: wrong tag") from None

class Cursor:
    """Reads fields one behind the other; no length is believed."""
    def __init__(self, data, at=0): self.data, self.at = data, at
    def take(self, count):
        check(count <= len(self.data) - self.at, "a field ends behind what it is in")
        self.at += count
        return self.data[self.at - count:self.at]
    def int(self, count): return int.from_bytes(self.take(count), "little")
    def varint(self, shift=0):
        check(shift < 70, "a varint has more than ten bytes")
        byte = self.int(1)
        return byte << shift if byte < 128 else (byte & 127) << shift | self.varint(shift + 7)
    def zigzag(self): return (lambda v: v >> 1 ^ -(v & 1))(self.varint())
    def prefixed(self): return self.take(self.varint())
    def many(self, read): return [read() for _ in range(self.varint())]

class Keyring:
    def __init__(self, data, kek):
        for block in (data[:len(data) // 2], data[len(data) // 2:]):
            end = 20 + u32(block, 16) if len(block) >= 24 else MASK
            if block[:10] == b"CRKEYRNG\1\0" and end + 4 <= len(block) and u32(block, end) == crc32c(block[:end]): break
        else: raise Damage("KEYRING: both blocks are damaged")
        c = Cursor(block[:end], 20)
        store = self.store_id = c.take(16)
        slots = dict((c.take(32), c.take(60)) for _ in range(c.int(2)))
        roots = [(c.int(4), c.int(1), c.take(3), c.take(32), c.take(60)) for _ in range(c.int(2))]
        wrapped_index, code_at, code = c.take(60), c.at, c.take(32)
        own = hkdf(kek, store, b"closeroll/1/keyring/key-encryption-key" + store, 64)
        if own[32:] not in slots: raise WrongKey("this is not the store's key")
        unwrap = lambda key, w, purpose, number: decrypt(
            key, w[:12], w[12:], b"closeroll/1/keyring/wrap" + struct.pack("<BI", purpose, number) + store, "KEYRING")
        master = unwrap(own[:32], slots[own[32:]], 1, 0)
        derive = lambda key, what, length=32: hkdf(key, store, b"closeroll/1/" + what, length)
        own = hmac.digest(derive(master, b"keyring/code" + store), block[8:code_at], "sha256")
        self.roots = {number: unwrap(master, w, 2, number) for number, state, _, _, w in roots if state != 3}
        commitments = {number: derive(key, b"keyring/root-key" + store) for number, key in self.roots.items()}
        check((own, commitments) == (code, {r[0]: r[3] for r in roots if r[1] != 3}), "KEYRING: wrong code or commitment")
        index = unwrap(master, wrapped_index, 3, 0)
        pages = derive(derive(index, b"run"), b"run-pages", 48)
        self.fingerprint, self.pages, self.infos = derive(index, b"fingerprint", 16), pages[:16], pages[16:]

class Frame:
    """A frame with its checksums verified; `why` says what is wrong with it."""
    def __init__(self, data, at, tag_size):
        h = self.header = data[at:at + 40]
        self.at, self.why, self.blobs, self.synced = at, "no valid frame header", [], 0
        if len(h) < 40 or h[:3] != b"CRF" or u32(h, 36) != crc32c(h[:36]): return
        self.type, self.length, self.flags, self.sequence = h[3], u32(h, 4), h[11], int.from_bytes(h[14:20], "little")
        self.counter, self.synced, self.crc_before, self.crc = (u32(h, x) for x in (20, 24, 28, 36))
        try:
            c = Cursor(data[:at + self.length], at + 40)
            check(len(c.data) == at + self.length <= at + (64 << 20), "the frame is cut short")
            self.table = c.take(u16(h, 12) * (8 + tag_size))
            self.metadata, self.tag = c.take(int.from_bytes(h[8:11], "little")), c.take(tag_size)
            check(u32(h, 32) == crc32c(self.table, self.metadata, self.tag), "wrong CRC of table, metadata and tag")
            for e in range(0, len(self.table), 8 + tag_size):
                self.blobs.append((c.at, c.take(u32(self.table, e)), self.table[e + 8:e + 8 + tag_size]))
                check(crc32c(self.blobs[-1][1]) == u32(self.table, e + 4), "wrong CRC of a blob")
            check(not any(c.data[c.at:]), "the padding is not zero")
            self.why = None
        except Damage as damage: self.why = str(damage)

class Store:
    def __init__(self, path, kek):
        self.path, pattern = path, re.compile(r"segment-(\d{8})-\d{4}\.log")
        # Of several generations of an ordinal the last one counts.
        names = {int(match[1]): match[0] for match in map(pattern.fullmatch, sorted(os.listdir(path))) if match}
        check(names and max(names) == len(names), "a segment is missing")
        self.files = [(names[ordinal], self.read(names[ordinal])) for ordinal in sorted(names)]
        for ordinal, (name, data) in enumerate(self.files, 1):
            check(len(data) >= 4096 and u32(data, 4092) == crc32c(data[:4092]), f"{name}: damaged header")
            check(data[:8] == b"CLOSROLL" and u16(data, 8) == 1 and u64(data, 16) == 0, f"{name}: unknown format")
            check(u64(data, 48) == ordinal and data[32:48] == self.files[0][1][32:48], f"{name}: of another place or store")
        self.id, self.sealed, self.tag_size = data[32:48], data[12] == 1, 16 if data[12] == 1 else 4
        if self.sealed != (kek is not None): raise WrongKey("the store is sealed" if self.sealed else "the store is plain")
        self.keys = Keyring(self.read("KEYRING"), kek) if self.sealed else None
        check(not self.sealed or self.keys.store_id == self.id, "KEYRING: of another store")
        self.live, self.events, self.heads, self.tracking, self.deleted = {}, [], {}, {}, set()
        self.records, self.taken, self.sequence, self.tag, self.crc = 0, 0, 0, b"", 0
        for number in range(1, len(self.files) + 1): self.segment(number)
    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file: return file.read()
    def open(self, epoch, purpose, counter, sealed, tag, associated, what):
        """Opens what is sealed for a purpose in an epoch; in a plain store compares the checksum."""
        if not self.sealed:
            check(tag == struct.pack("<I", crc32c(associated, sealed)), f"{what}: wrong checksum")
            return sealed
        root, salt, commitment = self.epochs.get(epoch, (None, b"", b""))
        check(root in self.keys.roots, f"{what}: of an epoch or root key that is not known")
        okm = hkdf(self.keys.roots[root], salt, b"closeroll/1/" + purpose + self.id, 76)
        check(purpose != b"metadata" or okm[44:] == commitment, f"{what}: wrong commitment of an epoch")
        nonce = okm[32:36] + (int.from_bytes(okm[36:44], "big") ^ counter).to_bytes(8, "big")
        return decrypt(okm[:32], nonce, sealed + tag, associated, what)
    def log_state(self, c):
        """Compares a log state with what the log has had so far; gives its names and partitions."""
        check(c.int(1) == 1, "log state: of an unknown form")
        names = c.many(c.prefixed)
        heads = {(names[c.varint()], c.varint()): c.varint() for _ in range(c.varint())}
        tracking = {(names[c.varint()], c.varint(), names[c.varint()], c.varint()): c.varint() for _ in range(c.varint())}
        counts, _ = [c.varint(), c.varint()], (c.varint(), c.varint(), c.zigzag(), c.varint())
        deleted = c.many(lambda: (list(heads)[c.varint()], itertools.accumulate(c.many(c.varint))))
        check(c.at == len(c.data) and {p: heads.get(p) for p in self.heads} == self.heads, "log state: wrong heads or length")
        check(counts == [self.records, self.taken], f"log state: {counts} records and events, not {[self.records, self.taken]}")
        gone = {(partition, number) for partition, numbers in deleted for number in numbers}
        check((tracking, gone) == (self.tracking, self.deleted), "log state: wrong tracking or deleted notifications")
        return names, list(heads)
    def commit(self, frame, metadata):
        c = Cursor(metadata)
        flags, _, blobs = c.int(1), c.zigzag(), enumerate(frame.blobs)
        self.names += c.many(c.prefixed) if flags & 1 else []
        self.partitions += c.many(lambda: (self.names[c.varint()], c.varint())) if flags & 1 else []
        for _ in range(1 if flags & 4 else c.varint()):
            place, number = c.varint(), c.varint()
            partition, role = self.partitions[place >> 2], place & 3
            for _ in range(len(frame.blobs) if flags & 4 else c.varint()):
                t, key = c.varint(), (role, partition[0], c.take(16), c.varint())
                check(not t & 4 or c.int(1) == 1, "an extension of a record that is not known")
                tombstone = (self.partitions[c.varint()], c.varint()) if t & 4 else None
                _, (index, (at, blob, tag)) = t & 2 and c.prefixed(), next(blobs)
                topic, state = self.state(blob, tag, key)
                check(t < 8 or self.names[(t >> 3) - 1] == topic, "a state has another topic than its record")
                record = dict(frame=frame.at, at=at, index=index, key=key, partition=partition, topic=topic, state=state,
                              tombstone=bool(tombstone), id=None)
                self.placed.append(record)
                self.records, self.taken = self.records + 1, self.taken + (role == EVENT) * (-1 if tombstone else 1)
                check(bool(tombstone) == (key in self.live), "a position is taken twice, or a tombstone deletes nothing")
                if tombstone: self.deleted |= {tombstone} if self.live.pop(key)["id"] else set()
                else: self.live[key] = record
                if tombstone or role != EVENT: continue
                self.events.append(record)
                if t & 1: continue
                check(number == self.heads.get(partition, 0) + 1, f"notification {number} does not follow")
                self.heads[partition] = record["id"] = number
                self.places[partition, number] = frame.at, self.current, self.links[frame.at].ljust(16, b"\0")
                number += 1
        for _ in range(c.varint() if flags & 2 else 0):
            key, number = (self.names[c.varint()], c.varint(), self.names[c.varint()], c.varint()), c.varint()
            check(number > self.tracking.get(key, 0), "a tracking position is not raised")
            self.tracking[key] = number
        check(c.at == len(metadata) and next(blobs, None) is None, "a commit has bytes or blobs left over")
    def state(self, blob, tag, key):
        c, (role, application, originator, position) = Cursor(blob), key
        coding = c.int(1)
        compression = coding & 7
        check(coding >> 4 == self.sealed and compression < 3 and (compression or not coding & 8), "a state of an unknown coding")
        dictionary = self.dictionaries[c.varint()] if compression == 2 else b""
        epoch, counter = (c.varint(), c.varint()) if self.sealed else (0, 0)
        associated = struct.pack("<HBH", 1, role, len(application)) + application + struct.pack("<H", 16) + originator
        text = self.open(epoch, b"state", counter, blob[c.at:], tag, associated + struct.pack("<Hq", 8, position) + blob[:c.at],
                         f"position {position} of {uuid.UUID(bytes=originator)}")
        size, start = (u32(text, 0), 4) if coding & 8 else (65536, 0)
        if compression: text = lz4.block.decompress(text[start:], uncompressed_size=size, dict=dictionary)
        c = Cursor(text)
        return c.prefixed(), text[c.at:]
    def segment(self, number):
        """Walks a segment, and checks each of its indexes where the walk comes to the index's end."""
        (name, data), following = self.files[number - 1], self.files[number:number + 1]
        self.names, self.partitions, self.epochs, self.dictionaries, self.placed, self.places = [], [], {}, {}, [], {}
        at, self.current, self.links, self.dictionary_places, self.opening = 4096, 0, {}, [], dict(self.heads)
        check(u64(data, 64) == self.sequence + 1 and data[80:96] == self.tag.ljust(16, b"\0"), f"{name}: follows another log")
        link = data[80:80 + self.tag_size] + hashlib.sha256(data[:4096]).digest()
        runs = {u32(self.read(r), 60): r for r in os.listdir(self.path) if re.match(f"index-{number:08}-.*run$", r)}
        while True:
            self.links[at] = link
            if at in runs: self.run(runs.pop(at), number, at)
            frame, what = Frame(data, at, self.tag_size), f"{name} at {at}"
            if not frame.why and (frame.sequence, frame.crc_before) != (self.sequence + 1, self.crc): frame.why = "wrong place"
            check(not (frame.why and following), f"{what}: {frame.why}")
            if frame.why: break
            if frame.type == 0x82:
                c = Cursor(frame.metadata)
                epoch, self.epochs[epoch] = c.int(4), (c.int(4), c.take(32), c.take(32))
                self.open(epoch, b"metadata", frame.counter, b"", frame.tag, frame.header[:32] + frame.metadata + link, what)
                if frame.flags & 1: self.current = epoch
            else:
                check(frame.type in (0x81, 0x83, 0x84) or frame.type < 0x80, f"{what}: a frame that must be understood")
                metadata = self.open(self.current, b"dictionary" if frame.type == 0x83 else b"metadata", frame.counter,
                                     frame.metadata, frame.tag, frame.header[:32] + frame.table + link, what)
                if frame.type == 0x83:
                    self.dictionaries[u32(metadata, 0)] = metadata[4:]
                    self.dictionary_places.append((u32(metadata, 0), self.current, at, link))
                if frame.type == 0x84: self.names, self.partitions = self.log_state(Cursor(metadata))
                if frame.type == 0x81: self.commit(frame, metadata)
                if frame.type == 0x05: break  # the next segment goes on from the frame before it
            at, link, self.sequence, self.tag, self.crc = at + frame.length, frame.tag, frame.sequence, frame.tag, frame.crc
        if not frame.why: self.info(metadata, at)
        check(not following or at == u64(following[0][1], 72), f"{name}: ends elsewhere than the next segment says")
        check(not runs, f"{runs}: an index ends where no frame does")
        if not following: self.tail(what, data, at, frame.why or "nothing comes behind a footer")
    def tail(self, what, data, at, why):
        """Decides whether the log ends here or is damaged: only what was never proven durable may be missing."""
        later = (Frame(data, x, self.tag_size).synced for x in range(at, len(data), 1 << data[13]) if data[x:x + 3] == b"CRF")
        check(not any(synced > at for synced in later), f"{what}: {why}, and a later frame proves that it was durable")
        head = self.read("HEAD") if os.path.exists(os.path.join(self.path, "HEAD")) else b""
        slots = [h for h in (head[:64], head[512:576]) if len(h) == 64 and h[:4] == b"CRH1" and u32(h, 60) == crc32c(h[:60])]
        for slot in sorted(slots, key=lambda h: u64(h, 8))[-1:]:
            ordinal, end = u64(slot, 16), u64(slot, 24)
            check((ordinal, end) <= (len(self.files), at), f"{what}: {why}, and HEAD proves that it was durable")
            check(ordinal < len(self.files) or self.links[end][:16].ljust(16, b"\0") == slot[40:56], "HEAD: of another log")
        if any(data[at:]): print(f"{what}: torn tail: {why}", file=sys.stderr)
    def info(self, data, at):
        c = Cursor(data)
        own = at, self.tag.ljust(16, b"\0"), self.crc, self.sequence + 1, self.current
        check((c.int(4), c.take(16), c.int(4), c.int(8), c.int(4)) == own, "segment info: wrong end")
        epochs = c.many(lambda: (c.int(4), (c.int(4), c.take(32), c.take(32))))
        places = c.many(lambda: (c.int(4), c.int(4), c.int(4), c.take(16)[:self.tag_size]))
        check((dict(epochs), places) == (self.epochs, self.dictionary_places), "segment info: wrong epochs or dictionaries")
        check(all(self.opening.get(p, 0) == n for p, n in zip(self.partitions, c.many(c.varint))), "segment info: wrong first IDs")
        self.log_state(c)
    def run(self, name, number, end):
        """Checks an index against the records that the log had up to its end, both ways."""
        data, keys = self.read(name), self.keys
        pages, run = [data[x:x + 4096] for x in range(0, len(data), 4096)], data[32:48]
        mac = lambda content: siphash(keys.pages, content) if keys else crc32c(content)
        macs = [mac(self.id + run + struct.pack("<I", n) + page[:4088]) for n, page in enumerate(pages)]
        check(macs == [u64(page, 4088) for page in pages], f"{name}: wrong MAC of a page")
        own = b"CLRUNIDX" + bytes([2, 0, self.sealed, 1]) + self.id + struct.pack("<Q", number) + self.tag.ljust(16, b"\0")
        check(data[:12] + data[16:32] + data[48:56] + data[112:128] == own, f"{name}: of another store, segment or log")
        stream = lambda first, length: b"".join(page[:4088] for page in pages[first:])[:length]
        table = lambda first, n, size: [pages[first + i // (4088 // size)][i % (4088 // size) * size:][:size] for i in range(n)]
        expected, documents = {}, {}
        for r in self.placed:
            role, application, originator, position = r["key"]
            named = bytes([role, len(application)]) + application + originator
            fingerprint = siphash(keys.fingerprint if keys else bytes(16), named)
            entry = position, r["frame"], r["index"] * 4 + 2 * r["tombstone"] + (role == DOCUMENT), r["at"]
            expected[fingerprint] = ([] if role == DOCUMENT else expected.get(fingerprint, [])) + [entry]
            if role == DOCUMENT: documents[originator] = entry[:2] + (r["at"], self.names.index(application), r["index"], 0)
        postings, found = stream(u32(data, 84), u64(data, 64)), {}
        for fingerprint, where in (struct.unpack("<QQ", e) for e in table(u32(data, 80), u32(data, 72), 16)):
            c, position, frame, places = Cursor(postings, where & (1 << 40) - 1), 0, 0, found.setdefault(fingerprint, [])
            for _ in range(where >> 40):
                position, frame = position + c.zigzag(), frame + c.zigzag() * 8
                places.append((position, frame, c.varint(), c.varint() + frame))
        check(found == expected and list(found) == sorted(found) and u32(data, 76) == sum(map(len, found.values())),
              f"{name}: the postings are not the log's records")
        blocks = table(u32(data, 96), u32(data, 100), 64)
        for f in found:
            block, m = blocks[(f >> 32) * len(blocks) >> 32], (f ^ f >> 29) * 0xBF58476D1CE4E5B9 & MASK
            bits = ((m ^ m >> 32) >> 9 * i & 511 for i in range(6))
            check(all(block[bit >> 3] >> (bit & 7) & 1 for bit in bits), f"{name}: the filter denies an originator")
        for partition, epoch, first, at, _, link in (struct.unpack("<IIqII16s", e) for e in table(u32(data, 88), u32(data, 92), 40)):
            check(self.places.get((self.partitions[partition], first)) == (at, epoch, link), f"{name}: wrong directory")
        newest = {e[:16]: struct.unpack("<qIIIHH", e[16:]) for e in table(u32(data, 128), u32(data, 132), 40)}
        check(newest == documents, f"{name}: wrong documents")
        info = stream(u32(data, 104), u32(data, 108))
        if keys: info = decrypt(keys.infos, info[:12], info[12:], self.id + struct.pack("<QII", number, 1, end) + run, f"{name}: info")
        self.info(info, end)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--key-file", type=lambda name: base64.b64decode(open(name).read()), help="Base64 of 32 bytes")
    arguments = parser.parse_args()
    try: store = Store(arguments.store, arguments.key_file)
    except (Damage, LookupError, RuntimeError, StopIteration, ValueError, struct.error) as e: sys.exit(f"damaged: {e}")
    except WrongKey as error: sys.exit(print(f"wrong key: {error}", file=sys.stderr) or 3)
    for r in (r for r in store.events if store.live.get(r["key"]) is r):
        line = dict(application=r["partition"][0].decode(), pipeline=r["partition"][1], notification_id=r["id"],
                    originator_id=str(uuid.UUID(bytes=r["key"][2])), position=r["key"][3], topic=r["topic"].decode())
        try: line["state"] = r["state"].decode()
        except UnicodeDecodeError: line["state_base64"] = base64.b64encode(r["state"]).decode()
        print(json.dumps(line, ensure_ascii=False))
