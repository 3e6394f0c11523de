"""What is run: datasets, methods, budgets and repetitions, fixed in ``docs/study/PLAN.md`` before the first run.

A repetition is one unit: its own proxy seed, selection seed and training seed, so that units are independent and a
method is paired with random within each.
"""

from dataclasses import dataclass, field
from typing import Any

from xmas_assets.contracts.artifacts import SelectionKey

# Methods that need nothing from outside.
SCREENED = (
    "xmas", "xmas_coverage", "balanced_random", "coincide", "datatailor", "scalselect", "tive", "grad_norm", "el2n",
    "perplexity", "length", "ifd", "clip_score", "semdedup", "d2_pruning", "self_sup", "self_filter",
)  # fmt: skip
# The method itself and its parts; the best of the screen; controls that attention has to beat; an oracle.
COMPARED = (
    "xmas", "balanced_random", "xmas_coverage", "semdedup", "self_sup", "el2n", "image_coverage", "text_coverage",
    "oracle_tasks",
)  # fmt: skip
MAPPED = ("xmas", "xmas_coverage", "semdedup")
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
        overrides: Settings that differ from the profile ``tiny``.
        variant: Tells experiments with other settings on the same dataset apart.
    """

    part: str
    dataset: str
    methods: tuple[str, ...]
    budgets: tuple[str, ...]
    n_units: int
    overrides: dict[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def name(self) -> str:
        """Name of the experiment and stem of its registrations and results."""
        return "_".join(filter(None, (self.part, self.dataset, self.variant)))

    def registration(self, unit: int) -> str:
        """The platform's dataset that holds one unit."""
        return f"{self.name}_u{unit}"

    def keys(self, unit: int) -> list[SelectionKey]:
        """The unit's selections, full data among them."""
        chosen = [(method, budget) for budget in self.budgets for method in ("random", *self.methods)]
        return [SelectionKey.make(method, budget, unit) for method, budget in [("full", "1"), *chosen]]


def _map_cells() -> list[Experiment]:
    return [
        Experiment("map", f"shapes_{tail}_g{size}", MAPPED, ("0.05", "0.1", "0.2", "0.5"), 3)
        for tail in TAILS
        for size in GROUP_SIZES
    ]


PLAN: tuple[Experiment, ...] = (
    Experiment("screen", "shapes_screen", SCREENED, ("0.1", "0.2"), 4),
    *(
        Experiment("main", dataset, COMPARED, ("0.05", "0.1", "0.2", "0.5"), 9)
        for dataset in ("shapes", "plain", "digits", "easy_vqa")
    ),
    Experiment("main", "shapes", COMPARED, ("0.1", "0.2"), 9, {"target": {"n_steps": 400}}, "steps"),
    *_map_cells(),
    *(Experiment("kinds", dataset, COMPARED, ("0.1", "0.2"), 5) for dataset in ("same_image", "same_question")),
    *(
        Experiment("ablation", "shapes", ("xmas", "balanced_random"), ("0.1", "0.2"), 5, overrides, variant)
        for variant, overrides in {
            "reference": {"trajectories": {"definition": "reference"}},
            "k1": {"trajectories": {"n_values": 1}},
            "two_checkpoints": {"proxy": {"n_checkpoints": 2}},
            "few_clusters": {"clusters": {"n_clusters": 20}},
            "many_clusters": {"clusters": {"n_clusters": 250}},
        }.items()
    ),
)
