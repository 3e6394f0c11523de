"""How a batch becomes forward passes on one or several processes, and which batches cannot."""

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.settings import DifficultySettings, TrainingSettings


def passes_of_step(settings: TrainingSettings, n_ranks: int = 1, *, section: str = "") -> tuple[int, int]:
    """Rows of a forward pass, and how many of them each rank makes in a step; one to be found has all of its rows.

    Args:
        settings: How to train.
        n_ranks: Processes that train together.
        section: Of the settings, where a message is to name it.

    Raises:
        SettingsError: If the batch cannot be divided among the ranks, or their parts into passes.
    """
    of = f"{section}." if section else ""
    given, batch_size = settings.micro_batch_size, settings.batch_size
    if n_ranks > 1 and given == "auto":
        raise SettingsError(
            f"{of}micro_batch_size is 'auto', which only one process can find, and workers.training_ranks is "
            f"{n_ranks}; set a number"
        )
    if batch_size % n_ranks:
        raise SettingsError(
            f"{of}batch_size {batch_size} cannot be divided among {n_ranks} processes (workers.training_ranks); make "
            f"it a multiple of {n_ranks}"
        )
    own = batch_size // n_ranks
    micro_batch_size = own if given == "auto" else min(given, own)
    if own % micro_batch_size:
        each = f", of which each of {n_ranks} processes has {own} rows," if n_ranks > 1 else ""
        raise SettingsError(
            f"{of}batch_size {batch_size}{each} is no multiple of {of}micro_batch_size {micro_batch_size}; make it one"
        )
    return micro_batch_size, own // micro_batch_size


def check_score_passes(settings: DifficultySettings, n_ranks: int) -> None:
    """Refuse processes that would make smaller passes than scores depend on; ``SettingsError``."""
    if settings.micro_batch_size * n_ranks > settings.batch_size and n_ranks > 1:
        raise SettingsError(
            f"difficulty.batch_size {settings.batch_size} has fewer rows than {n_ranks} processes "
            f"(workers.training_ranks) take in a pass of difficulty.micro_batch_size {settings.micro_batch_size}, on "
            "which scores depend; make it a multiple of both"
        )
