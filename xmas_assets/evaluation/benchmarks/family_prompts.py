"""The prompts with which model families were asked a benchmark by their own or their developers' evaluation code."""

from typing import NamedTuple

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.evaluation.benchmarks.base import Item

_QUESTION, _OPTIONS = "{question}", "{options}"


class FamilyPrompt(NamedTuple):
    """How a family is asked.

    Attributes:
        form: Its prompt; ``{question}`` and ``{options}`` ("A. text" and a line break each) stand for an item's.
        source: Where it is published.
        without_options: Its prompt for an item without options, where that is another.
    """

    form: str
    source: str
    without_options: str | None = None

    def of(self, item: Item) -> str:
        """The prompt of an item."""
        options = "".join(f"{letter}. {text}\n" for letter, text in item.details.get("options", {}).items())
        form = self.form if options or self.without_options is None else self.without_options
        # Each part once, so that braces in a question stay as they are.
        before, has_question, after = form.partition(_QUESTION)
        words = item.question if has_question else ""
        return before + words + after.replace(_OPTIONS, options)


_QWEN2_VL = "open-compass/VLMEvalKit, vlmeval/vlm/qwen2_vl/prompt.py"
_INTERNVL = "OpenGVLab/InternVL, internvl_chat/eval/vqa/evaluate_vqa.py"
_INTERNVL_CAPTION = "OpenGVLab/InternVL, internvl_chat/eval/caption/evaluate_caption.py"
_PALIGEMMA = "google-research/big_vision, big_vision/configs/proj/paligemma/transfers/{}.py"

_FEW_WORDS = FamilyPrompt(
    "{question}\nPlease try to answer the question with short words or phrases if possible.", _QWEN2_VL
)
_OPTION = "Question: {question}\nOptions:\n{options}Please select the correct answer from the options above."
_QWEN = {
    "textvqa": _FEW_WORDS,
    "chartqa": _FEW_WORDS,
    "pope": FamilyPrompt("{question} Please answer yes or no.", _QWEN2_VL),
    "seedbench": FamilyPrompt(_OPTION, _QWEN2_VL),
    "mmmu": FamilyPrompt(_OPTION, _QWEN2_VL, without_options="Question: {question}"),
}
_ONE_WORD = FamilyPrompt("{question} Answer the question using a single word or phrase.", _INTERNVL)
_SENTENCE = FamilyPrompt("Provide a one-sentence caption for the provided image.", _INTERNVL_CAPTION)
FAMILY_PROMPTS: dict[str, dict[str, FamilyPrompt]] = {
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
    "internvl": {
        "vqav2": _ONE_WORD,
        "textvqa": _ONE_WORD,
        "gqa": _ONE_WORD,
        "chartqa": _ONE_WORD,
        "vizwiz": FamilyPrompt(
            "{question} When the provided information is insufficient, respond with 'Unanswerable'. "
            "Answer the question using a single word or phrase.",
            _INTERNVL,
        ),
        "captions_coco": _SENTENCE,
        "captions_nocaps": _SENTENCE,
    },
    "paligemma": {
        "vqav2": FamilyPrompt("answer en {question}", _PALIGEMMA.format("vqav2")),
        "textvqa": FamilyPrompt("answer en {question}", _PALIGEMMA.format("textvqa")),
        "vizwiz": FamilyPrompt("answer en {question}", _PALIGEMMA.format("vizwizvqa")),
        "gqa": FamilyPrompt("answer en {question}", _PALIGEMMA.format("gqa")),
        "pope": FamilyPrompt("{question}", _PALIGEMMA.format("pope")),
        "chartqa": FamilyPrompt("{question}", _PALIGEMMA.format("chartqa")),
        "captions_coco": FamilyPrompt("caption en", _PALIGEMMA.format("cococap")),
        "captions_nocaps": FamilyPrompt("caption en", _PALIGEMMA.format("cococap")),
    },
}
"""By the model type in a family's configs, and by benchmark."""


def family_prompt(family: str, benchmark: str) -> FamilyPrompt:
    """How a family is asked a benchmark; ``SettingsError`` if that is not published."""
    prompts = FAMILY_PROMPTS.get(family, {})
    if benchmark not in prompts:
        known = ", ".join(name for name, of_family in FAMILY_PROMPTS.items() if benchmark in of_family) or "no family"
        raise SettingsError(
            f"no prompt of {family}'s own for {benchmark} is known, only of {known}; write 'prompt_style: llava' into "
            "the benchmark's registration"
        )
    return prompts[benchmark]


def family_prompt_table() -> str:
    """The prompts as a Markdown table."""
    rows = [
        f"| `{family}` | `{benchmark}` | `{prompt.form!r}` | {prompt.source} |"
        for family, prompts in FAMILY_PROMPTS.items()
        for benchmark, prompt in prompts.items()
    ]
    return "\n".join(["| model type | benchmark | prompt | published in |", "|---|---|---|---|", *rows])
