"""Writes one text in the forms that people hand over, for TextFormTests: packed, wide, as rows of other programs.

Needs: pip install zstandard pyarrow. Usage: python3 make_texts.py (in this folder)
"""
import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import zstandard

folder = Path(__file__).resolve().parent / "Fixtures"
folder.mkdir(exist_ok=True)
texts = [f"Sentence {i}: the lamp of the lighthouse — ünï {chr(0x1F600 + i)} — was lit." for i in range(6)]
plain = "\n".join(texts) + "\n"
lines = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts))
data, rows = plain.encode(), lines.encode()


def write(name, content):
    (folder / name).write_bytes(content)


def zst(content, sized=True):
    return zstandard.ZstdCompressor(level=3, write_content_size=sized, write_checksum=True).compress(content)


write("plain.txt", data)
write("lines.jsonl", rows)
# gzip: one member, several, padded with zeros as on tapes, followed by something else, cut, and with a wrong checksum.
one = gzip.compress(data, mtime=0)
half = len(data) // 2
write("one.txt.gz", one)
write("members.txt.gz", gzip.compress(data[:half], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(data[half:], mtime=0))
write("padded.txt.gz", one + bytes(512))
write("followed.txt.gz", one + b"something else")
write("cut.txt.gz", one[:-12])
write("cut-header.txt.gz", one[:6])
write("damaged.txt.gz", one[:-8] + bytes([one[-8] ^ 1]) + one[-7:])
write("lines.jsonl.gz", gzip.compress(rows, mtime=0))
# zstd: one frame, several with frames to skip (pzstd writes those), without the size, cut, and damaged.
skip = struct.pack("<II", 0x184D2A50, 4) + b"note"
write("one.txt.zst", zst(data))
write("frames.txt.zst", skip + zst(data[:half]) + skip + zst(data[half:]) + skip)
write("unsized.txt.zst", zst(data, sized=False))
write("cut.txt.zst", zst(data)[:-9])
write("followed.txt.zst", zst(data) + b"something else")
write("lines.zst", zst(rows))
# A megabyte from a few bytes.
write("large.txt.gz", gzip.compress(b"a" * (1 << 20), mtime=0))
write("large.txt.zst", zst(b"a" * (1 << 20)))
# Wide.
for name, coding, mark in (("utf16le", "utf-16-le", b"\xff\xfe"), ("utf16be", "utf-16-be", b"\xfe\xff"),
                           ("utf32le", "utf-32-le", b"\xff\xfe\0\0"), ("utf32be", "utf-32-be", b"\0\0\xfe\xff")):
    write(f"{name}.txt", mark + plain.encode(coding))
write("utf16le.jsonl", b"\xff\xfe" + lines.encode("utf-16-le"))
write("utf16-without-mark.txt", "No mark, but two bytes a letter.\n".encode("utf-16-le"))
write("utf16-cut.txt", b"\xff\xfe" + plain.encode("utf-16-le")[:-1])
write("utf16-half-pair.txt", b"\xff\xfe" + b"a\0\x3d\xd8b\0")
write("mark.txt", b"\xef\xbb\xbf" + data)
write("mark.jsonl", b"\xef\xbb\xbf" + rows)
# What is no text.
write("rows.txt.bz2", bz2.compress(data))
write("rows.txt.xz", lzma.compress(data))
table = pyarrow.table({"id": list(range(6)), "text": texts})
pyarrow.parquet.write_table(table, folder / "rows.parquet")
pyarrow.feather.write_feather(table, folder / "rows.feather", compression="uncompressed")
with pyarrow.ipc.new_stream(folder / "rows.arrow", table.schema) as stream:
    stream.write_table(table)
write("rows.pickle", pickle.dumps(texts, protocol=4))
with zipfile.ZipFile(folder / "rows.zip", "w") as archive:
    archive.writestr(zipfile.ZipInfo("plain.txt"), plain)
with tarfile.open(folder / "rows.tar.gz", "w:gz", compresslevel=9) as archive:
    member = tarfile.TarInfo("plain.txt")
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
(folder / "rows.db").unlink(missing_ok=True)
with sqlite3.connect(folder / "rows.db") as database:
    database.execute("CREATE TABLE texts (text)")
