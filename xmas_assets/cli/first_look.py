"""What ``xmas dataset add`` prints of the records that it was given."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from xmas_assets.cli.output import note, print_gap, print_table

if TYPE_CHECKING:
    from xmas_assets.data.first_look import FirstLook
    from xmas_assets.data.registration import Registration

_MOST_SHOWN = 12


def print_first_look(registration: "Registration") -> None:
    """Print what the first records of a dataset hold, as they are understood; a file that cannot be read is said."""
    from xmas_assets.contracts.errors import DatasetError
    from xmas_assets.data.first_look import first_look

    counter = _token_counter(registration)
    try:
        look = first_look(registration, count_tokens=counter or (lambda _: 0))
    except DatasetError as error:
        note(f"this dataset cannot be read as it is: {error}")
        return
    print_table("understood", ("what", "seen"), _understood(look))
    if look.refused:
        print_gap()
        rows = [(reason, count, look.first_refused[reason]) for reason, count in look.refused.most_common()]
        print_table("refused", ("reason", "records", "first"), rows)
    if len(look.sources) > 1 or "" not in look.sources:
        print_gap()
        names = ("task", "records", "share", "with images", "turns each", "tokens each")
        print_table("sources", names, _sources(look, is_counted=counter is not None))
    if look.examples:
        print_gap()
        print_table("examples", ("id", "images", "question", "answer"), _examples(look))
    if not look.accepted():
        note(f"none of the first {look.n_records:,} records can be used: correct the source, or remove the dataset")


def _token_counter(registration: "Registration") -> "Callable[[str], int] | None":
    """What counts tokens as the dataset's base model does; None where nothing can, which is said."""
    from xmas_assets.contracts.errors import ModelError
    from xmas_assets.data.profiles import load_settings
    from xmas_assets.stages.sources import token_counter

    base = load_settings(registration.profile, registration.overrides).base_model
    try:
        counter = token_counter(base)
    except ModelError as error:
        note(f"tokens are not counted: {error}")
        return None
    if counter is None:
        note(f"tokens are not counted: the tokenizer of {base.source} is not on this machine")
    return counter


def _understood(look: "FirstLook") -> list[tuple[str, str]]:
    rows = [
        ("files", _counted(look.files)),
        ("records looked at", f"{look.n_records:,}, of which {look.accepted():,} are well formed"),
    ]
    if look.accepted():
        lost = f"; the first that is not: {look.lost}" if look.lost else ""
        rows += [
            ("turns are in", _counted(look.shapes)),
            ("turns", f"{min(look.turns)} to {max(look.turns)}, {sum(look.turns) / len(look.turns):.1f} on average"),
            ("images", f"{look.n_found:,} of {look.n_images:,} found{lost}" if look.n_images else "none"),
            ("fields read", _counted(look.read)),
            ("fields not read", _counted(look.not_read) or "none"),
        ]
    return rows


def _counted(counts: Mapping[str, int]) -> str:
    """Names with how often, the most frequent first."""
    named = [f"{name} ({count:,})" for name, count in Counter(counts).most_common()]
    further = [f"{len(named) - _MOST_SHOWN} others"] if len(named) > _MOST_SHOWN else []
    return ", ".join([*named[:_MOST_SHOWN], *further])


def _sources(look: "FirstLook", *, is_counted: bool) -> list[tuple[str, int, str, int, str, int | None]]:
    ordered = sorted(look.sources.items(), key=lambda item: -item[1].records)
    return [
        (
            task or "(none)",
            source.records,
            f"{source.records / look.accepted():.1%}",
            source.with_images,
            f"{source.turns / source.records:.1f}",
            round(source.tokens / source.records) if is_counted else None,
        )
        for task, source in ordered
    ]


def _examples(look: "FirstLook") -> list[tuple[str, int, str, str]]:
    return [
        (
            draft.source_id or "",
            len(draft.images),
            next(turn.text for turn in draft.turns if turn.role == "user"),
            next(turn.text for turn in draft.turns if turn.role == "assistant"),
        )
        for draft in look.examples
    ]
