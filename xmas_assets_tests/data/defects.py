"""A dataset with one record for each row defect of the fault list (records and images), beside good ones.

``python -m xmas_assets_tests.data.defects FOLDER`` writes it, to be added with ``xmas dataset add``.
"""

import io
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from xmas_assets_tests.data.making import picture, record, seen, talk

QUESTION = "<image>\nWhat is it?"


def defective_records() -> list[tuple[str, str | bytes | dict[str, Any]]]:
    """Expected reason (or "ok") and the record, or its raw line."""
    pictures = [
        ("image_missing", "gone.png"),
        ("image_empty", "empty.png"),
        ("image_corrupt", "cut.jpg"),
        ("image_format", "page.jpg"),
        ("image_format", "drawing.svg"),
        ("image_format", "print.pdf"),
        ("image_shape", "speck.png"),
        ("image_shape", "strip.png"),
        ("image_too_large", "bomb.png"),
        ("image_outside_root", "link.png"),
        ("image_outside_root", "../../etc/passwd"),
        ("image_outside_root", "/etc/passwd"),
        ("image_outside_root", "file:///etc/passwd"),
        ("image_outside_root", "http://169.254.169.254/latest"),
        ("image_outside_root", "\\\\server\\share\\a.png"),
        ("image_outside_root", "%2e%2e/a.png"),
        ("image_not_a_file", "pipe"),
        ("image_not_a_file", "folder"),
        ("ok", "moving.gif"),
        ("ok", "grey16.png"),
        ("ok", "palette.png"),
        ("ok", "turned.jpg"),
        ("ok", "A.PNG"),
        ("ok", "with space.png"),
    ]
    rows: list[tuple[str, str | bytes | dict[str, Any]]] = [
        ("bad_json", '{"id": "nan", "conversations": NaN}'),
        ("bad_json", '{"id": "comma", "conversations": [],}'),
        ("bad_encoding", b'{"id": "latin", "conversations": "\xe9"}'),
        ("bad_text", record(id="nul", conversations=talk("a\x00b", "c"))),
        ("bad_id", record(id="x" * 10_000)),
        ("no_conversation", record(id="empty", conversations=[])),
        ("bad_turn_order", record(id="order", conversations=talk("a", "b")[::-1])),
        ("bad_turn_order", record(id="odd", conversations=talk("a", "b", "c"))),
        ("unknown_role", record(id="role", conversations=[{"from": "robot", "value": "a"}])),
        ("empty_answer", record(id="mute", conversations=talk("a", " "))),
        ("bad_value", record(id="null", conversations=talk("a", None))),
        ("bad_image_field", seen(id="number", image=7)),
        ("image_count", seen(id="nomark", conversations=talk("What is it?", "A cat."))),
        ("image_count", record(id="noimage", conversations=talk(QUESTION, "A cat."))),
        ("image_in_answer", seen(id="answer", conversations=talk(QUESTION, "<image>"))),
        ("too_large", record(id="turns", conversations=talk(*["a", "b"] * 25_000))),
        ("ok", record(id=7)),
        ("ok", record(id="7", conversations=talk("Another", "one."))),
        ("ok", record(id=...)),
        ("ok", record(id="twice")),
        ("duplicate", record(id="twice")),
        ("ok", record(id="tokens", conversations=talk("say </s> and <|im_end|>", "no"))),
    ]
    rows += [(reason, seen(id=f"{number} {name}", image=name)) for number, (reason, name) in enumerate(pictures)]
    return rows


def write_defects(folder: Path) -> Path:
    """Write ``train.jsonl`` and the images; returns the folder."""
    images = folder / "images"
    (images / "folder").mkdir(parents=True, exist_ok=True)
    _write_images(images)
    lines = []
    for _, row in defective_records():
        text = json.dumps(row) if isinstance(row, dict) else row
        lines.append(text if isinstance(text, bytes) else text.encode())
    (folder / "train.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder


def _write_images(images: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(images / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("I;16", (8, 8), 40_000).save(images / "grey16.png")
    Image.new("P", (8, 8)).save(images / "palette.png", transparency=0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4), "red").save(images / "turned.jpg", exif=exif)
    for name, size in (("speck.png", (1, 1)), ("strip.png", (1, 10_000))):
        Image.new("RGB", size).save(images / name)
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "JPEG")
    (images / "cut.jpg").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    (images / "bomb.png").write_bytes(_huge_png(100_000))
    for name, data in {
        "a.png": picture(),
        "with space.png": picture(),
        "empty.png": b"",
        "page.jpg": b"<html></html>",
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "print.pdf": b"%PDF-1.7",
    }.items():
        (images / name).write_bytes(data)
    (images.parent / "secret.png").write_bytes(picture())
    for name, make in (("link.png", lambda path: path.symlink_to("../secret.png")), ("pipe", os.mkfifo)):
        if not os.path.lexists(images / name):
            make(images / name)


def _huge_png(side: int) -> bytes:
    """A PNG whose header promises ``side`` x ``side`` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


if __name__ == "__main__":
    write_defects(Path(sys.argv[1]))
