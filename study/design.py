"""What is run: datasets, methods, budgets and repetitions, fixed in ``docs/study/PLAN.md`` before the first run.

A repetition is one unit: its own proxy seed, selection seed and training seed, so that units are independent and a
method is paired with random within each.
"""

from dataclasses import dataclass, field
from typing import Any

from xmas_assets.contracts.artifacts import SelectionKey

# Methods without external requirements.
SCREENED = (
    "xmas", "xmas_coverage", "balanced_random", "coincide", "datatailor", "scalselect", "tive", "grad_norm", "el2n",
    "perplexity", "length", "ifd", "clip_score", "semdedup", "d2_pruning", "self_sup", "self_filter",
)  # fmt: skip
# The four published systems with code for vision-language data; ours; the best of the screen; an oracle.
COMPARED = (
    "xmas", "coincide", "datatailor", "scalselect", "xmas_coverage", "xmas_distinct", "semdedup", "el2n", "tive",
    "self_sup", "oracle_tasks",
)  # fmt: skip
# Attention, and what it has to beat where only the picture or only the question is duplicated.
CONTROLLED = (
    "xmas", "xmas_coverage", "xmas_distinct", "image_coverage", "text_coverage", "embedding_distinct", "semdedup",
    "el2n",
)  # fmt: skip
# Proxies that start from another base than the target: a quarter of its language model, and its size built again.
OTHER_PROXIES = {
    name: {"base_model": {"source": f"study:{name}"}, "target_base": {"source": "toy:tiny"}}
    for name in ("small", "other")
}
# What of XMAS does the work: without the ranking in clusters, with it turned round; without proxy and attention.
PARTS_OF_XMAS = ("balanced_random", "xmas_unstable", "embedding_distinct")
# One setting changed, and the methods that read what it makes.
VARIANTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "reference": (("xmas",), {"trajectories": {"definition": "reference"}}),
    "k1": (("xmas",), {"trajectories": {"n_values": 1}}),
    "few_clusters": (("xmas",), {"clusters": {"n_clusters": 20}}),
    "many_clusters": (("xmas",), {"clusters": {"n_clusters": 250}}),
    "two_checkpoints": (("xmas", "xmas_coverage", "xmas_distinct"), {"proxy": {"n_checkpoints": 2}}),
    "answer_maps": (("xmas_coverage", "xmas_distinct"), {"signals": {"attention_maps": {"content": "answer_mean"}}}),
    "right_vectors": (
        ("xmas_coverage", "xmas_distinct"),
        {"signals": {"attention_maps": {"content": "right_vectors"}}},
    ),
    "layer_maps": (("xmas_coverage", "xmas_distinct"), {"signals": {"attention_maps": {"layers": "each"}}}),
}
MAPPED = ("xmas", "xmas_distinct", "el2n")
GROUP_SIZES = (1, 4, 16, 64)
TAILS = ("uniform", "long")


@dataclass(frozen=True)
class Experiment:
    """Methods compared on one dataset.

    Attributes:
        part: The part of the study that it belongs to.
        dataset: Name of a maker in ``datasets.py``.
        methods: Compared with ``random``, which is always run.
        budgets: Shares of the rows.
        n_units: Independent repetitions.
        overrides: Settings that differ from the profile ``toy``.
        variant: Distinguishes experiments with other settings on the same dataset.
        large_budgets: Shares of the rows that only the first three repetitions are run at; they cost most.
        against: Name of the experiment whose random and full data stand for this one's too; default its own.
    """

    part: str
    dataset: str
    methods: tuple[str, ...]
    budgets: tuple[str, ...]
    n_units: int
    overrides: dict[str, Any] = field(default_factory=dict)
    variant: str = ""
    large_budgets: tuple[str, ...] = ()
    against: str = ""

    @property
    def name(self) -> str:
        """Name of the experiment and stem of its registrations and results."""
        return "_".join(filter(None, (self.part, self.dataset, self.variant)))

    def registration(self, unit: int) -> str:
        """The platform's dataset that holds one unit."""
        return f"{self.name}_u{unit}"

    def keys(self, unit: int) -> list[SelectionKey]:
        """The unit's selections; random and full data among them, unless they are another experiment's."""
        budgets = self.budgets + (self.large_budgets if unit < 3 else ())
        methods, whole = (self.methods, []) if self.against else (("random", *self.methods), [("full", "1")])
        chosen = [(method, budget) for budget in budgets for method in methods]
        return [SelectionKey.make(method, budget, unit) for method, budget in [*whole, *chosen]]


_EQUAL_STEPS = {"target": {"n_steps": 400}}


def _map_cells() -> list[Experiment]:
    return [
        Experiment("map", f"shapes_{tail}_g{size}", MAPPED, ("0.1", "0.2"), 3, _EQUAL_STEPS)
        for tail in TAILS
        for size in GROUP_SIZES
    ]


PLAN: tuple[Experiment, ...] = (
    Experiment("screen", "shapes_screen", SCREENED, ("0.1", "0.2"), 4),
    Experiment("main", "shapes", (*COMPARED, *PARTS_OF_XMAS), ("0.1", "0.2"), 9, _EQUAL_STEPS, "steps"),
    *(
        Experiment("main", dataset, COMPARED, ("0.1", "0.2"), 9, _EQUAL_STEPS, "steps")
        for dataset in ("plain", "digits", "easy_vqa")
    ),
    Experiment("main", "shapes", COMPARED, ("0.05", "0.1", "0.2"), 9, large_budgets=("0.5",)),
    *_map_cells(),
    *(
        Experiment("kinds", dataset, CONTROLLED, ("0.1", "0.2"), 5, _EQUAL_STEPS)
        for dataset in ("same_image", "same_question")
    ),
    *(
        Experiment(
            "ablation",
            "shapes",
            methods,
            ("0.1", "0.2"),
            5,
            _EQUAL_STEPS | overrides,
            name,
            against="main_shapes_steps",
        )
        for name, (methods, overrides) in VARIANTS.items()
    ),
    *(
        Experiment("fresh", dataset, ("xmas_distinct",), ("0.1", "0.2"), 3, _EQUAL_STEPS)
        for dataset in ("fresh_none", "fresh_few", "fresh_many", "fresh_digits", "fresh_threes", "fresh_heaps")
    ),
    *(
        Experiment(
            "size",
            "shapes",
            ("xmas", "xmas_coverage", "xmas_distinct"),
            ("0.1", "0.2"),
            5,
            _EQUAL_STEPS | bases,
            f"{name}_proxy",
            against="main_shapes_steps",
        )
        for name, bases in OTHER_PROXIES.items()
    ),
)
