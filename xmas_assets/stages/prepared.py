"""What a method prepares for any budget and seed: computed once from stored signals, kept, given to every choice.

It is no asset: whether it is current follows from its name, a hash of everything that it was made from.
"""

import hashlib

import numpy as np
from safetensors.numpy import load_file, save_file

from xmas_assets.contracts.libraries import CHOOSING, library_versions
from xmas_assets.contracts.usage import metered
from xmas_assets.core.arrays import IntArray
from xmas_assets.files.usage_notes import adding_usage, count_usage_of
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import signal_digests, stored_signals
from xmas_assets.home.stored_tables import combine
from xmas_assets.selection.base import NO_ROWS, Method
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signal_arrays import Array

PREPARED = "prepared"
_VERSION = 4  # raised when the same signals and parameters would give other arrays


def prepared_arrays(home: Home, dataset: str, method: Method, *, excluded: IntArray = NO_ROWS) -> dict[str, Array]:
    """Give what the method prepares from the dataset's stored signals, from the disk if it was prepared before.

    Where another run is preparing the same, this waits for it. A killed run leaves nothing that could be read.

    Args:
        home: The platform's folder.
        dataset: Dataset name.
        method: The method with its parameters.
        excluded: Rows that are treated as if the dataset did not have them, unique.

    Raises:
        SelectionError: If a signal is missing, or holds NaN or infinity.
    """
    signals = stored_signals(home, dataset)
    method.check_present(signals)
    partition = partition_of(dataset, method.name)
    key = prepared_key(home, dataset, method, excluded=excluded)
    with home.shared_work(PREPARED, partition, key) as workspace:
        path = workspace / "prepared.safetensors"
        if not path.exists():
            with adding_usage([workspace]):
                arrays = method.prepare(signals, excluded=excluded)
                whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
                with replacing(path) as unfinished:
                    save_file(whole, unfinished)
        with metered() as meter:
            count_usage_of([workspace])
        if meter.earlier.cpu_seconds:  # not of what an earlier version prepared
            home.costs.note(PREPARED, partition, key, meter.earlier)
        return load_file(path)


def partition_of(dataset: str, method: str) -> str:
    """Name that a method's preparation has among a dataset's work and costs."""
    return f"{dataset}|{method}"


def prepared_key(home: Home, dataset: str, method: Method, *, excluded: IntArray) -> str:
    """Everything that the arrays depend on: the content of the signals, the rows, the parameters, the libraries."""
    content = signal_digests(home, dataset, {"sample_ids", *method.needs})
    libraries = [f"{name} {version}" for name, version in library_versions(CHOOSING).items()]
    package = METHODS.package(method.name)
    libraries += [f"{package.distribution} {package.version}"] if package else []
    rows = [f"without {hashlib.sha256(excluded.tobytes()).hexdigest()}"] if len(excluded) else []
    return combine(str(_VERSION), method.name, method.model_dump_json(), *content, *libraries, *rows)
