"""One conversation about two pictures, and one without, in every shape that is read."""

import base64
import json
from typing import Any

from xmas_assets_tests.data.making import picture

RED, BLUE = picture("red"), picture("blue")
FILES = {"a.png": RED, "b.png": BLUE}
PATHS = ["a.png", "b.png"]
QUESTION, ANSWER, FURTHER, LAST = "What differs?", "The colour.", "Which is red?", "The first."

MARKED = f"<image>\n<image>\n{QUESTION}"
REFERENCE = {
    "image": PATHS,
    "conversations": [
        {"from": "human", "value": MARKED},
        {"from": "gpt", "value": ANSWER},
        {"from": "human", "value": FURTHER},
        {"from": "gpt", "value": LAST},
    ],
}
"""The LLaVA record that every record of ``SHAPES`` is to be read as."""


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def messages(first: Any = MARKED) -> list[dict[str, Any]]:
    texts = (first, ANSWER, FURTHER, LAST)
    return [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]


def parts(*images: dict[str, Any]) -> list[dict[str, Any]]:
    """Image parts, each followed by the line end of the reference, and the question."""
    made: list[dict[str, Any]] = []
    for image in images:
        made += [image, {"type": "text", "text": "\n"}]
    return [*made, {"type": "text", "text": QUESTION}]


def in_parts(*images: Any, name: str, kind: str = "image") -> dict[str, Any]:
    """A record of typed parts, each with its picture under a name."""
    return {"messages": messages(parts(*({"type": kind, name: image} for image in images)))}


HISTORY = {"history": [[MARKED, ANSWER]], "images": PATHS}
SHAPES: dict[str, dict[str, Any]] = {
    "llava": REFERENCE,
    "llava images": {"images": PATHS, "conversations": REFERENCE["conversations"]},
    "sharegpt": {"images": PATHS, "messages": messages()},
    "sharegpt roles in conversations": {"images": PATHS, "conversations": messages()},
    "messages without marks": {"images": PATHS, "messages": messages(QUESTION)},
    "trl parts": {"images": PATHS, "messages": messages(parts({"type": "image"}, {"type": "image"}))},
    "qwen parts": in_parts(*PATHS, name="image"),
    "axolotl path": in_parts(*PATHS, name="path"),
    "axolotl url": in_parts(*PATHS, name="url"),
    "axolotl base64": in_parts(encoded(RED), encoded(BLUE), name="base64"),
    "openai parts": in_parts({"url": "a.png"}, {"url": "b.png"}, name="image_url", kind="image_url"),
    "data address": in_parts(*(f"data:image/png;base64,{encoded(data)}" for data in (RED, BLUE)), name="image"),
    "untyped parts": {
        "messages": messages([{"image": "a.png"}, {"text": "\n"}, {"image": "b.png"}, {"text": f"\n{QUESTION}"}])
    },
    "pictures in parts and beside": {"images": PATHS, **in_parts(*PATHS, name="image")},
    "structs of paths": {"images": [{"path": path, "bytes": None} for path in PATHS], "messages": messages()},
    "base64 images": {"images": [encoded(RED), encoded(BLUE)], "messages": messages()},
    "image_path": {"image_path": PATHS, "messages": messages()},
    "the_cauldron": {
        "images": PATHS,
        "texts": [{"user": QUESTION, "assistant": ANSWER, "source": "x"}, {"user": FURTHER, "assistant": LAST}],
    },
    "ms-swift conversation": {
        "images": PATHS,
        "conversation": [{"human": MARKED, "assistant": ANSWER}, {"human": FURTHER, "assistant": LAST}],
    },
    "alpaca": {"instruction": "Which", "input": "is red?", "output": LAST, **HISTORY},
    "query": {"query": FURTHER, "response": LAST, **HISTORY},
    "prompt of messages": {"prompt": messages()[:3], "completion": messages()[3:], "images": PATHS},
    "question": {"question": FURTHER, "answer": LAST, **HISTORY},
    "json text": {"images": json.dumps(PATHS), "messages": json.dumps(messages())},
    "struct of lists": {
        "images": PATHS,
        "conversations": {
            "from": ["human", "gpt"] * 2,
            "value": [MARKED, ANSWER, FURTHER, LAST],
        },
    },
    "qwen-vl marks": {"messages": messages(f"<img>a.png</img>\n<img>b.png</img>\n{QUESTION}")},
    **{
        f"mark {mark[0]}": {"images": PATHS, "messages": messages(f"{mark[0]}\n{mark[1]}\n{QUESTION}")}
        for mark in [
            ("<|vision_start|><|image_pad|><|vision_end|>",) * 2,
            ("<|vision_start|><|image_pad|><|image_pad|><|vision_end|>",) * 2,
            ("<|image_1|>", "<|image_2|>"),
            ("<ImageHere>",) * 2,
            ("<IMG_CONTEXT>",) * 2,
            ("<img><IMG_CONTEXT><IMG_CONTEXT></img>",) * 2,
            ("<|image|>",) * 2,
            ("<start_of_image>",) * 2,
            ("<__dj__image>",) * 2,
        ]
    },
}
"""Records that must be read as ``REFERENCE`` is; in Alpaca's the question's two halves are joined by a line end."""


def expected_turns(name: str) -> list[tuple[str, str]]:
    """What ``REFERENCE`` says, typed."""
    further = "Which\nis red?" if name == "alpaca" else FURTHER
    return [("user", MARKED), ("assistant", ANSWER), ("user", further), ("assistant", LAST)]
