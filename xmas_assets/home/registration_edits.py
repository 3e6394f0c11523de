"""Lines of a dataset's registration that commands write; everything else in the file is a person's."""

from collections.abc import Iterable, Mapping
from typing import Any

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.profiles import load_settings, merged_settings
from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets.home.overrides import nested
from xmas_assets.home.registered import check_parameters


def add_benchmarks(home: Home, dataset: str, names: Iterable[str]) -> list[str]:
    """Have a dataset's targets scored on these benchmarks, too; returns those that are new to it.

    Raises:
        SettingsError: If the dataset or a benchmark is not registered.
    """
    known = home.registration(dataset).benchmarks
    new = [home.benchmarks.registration(name).name for name in dict.fromkeys(names) if name not in known]
    if new:
        replace_line(home.registration_path(dataset), "benchmarks", [*known, *new])
    return new


def exclude_contaminated(home: Home, dataset: str) -> bool:
    """Have no contaminated row of a dataset selected; returns whether that is new.

    Raises:
        SettingsError: If the dataset is not registered, or has nothing that its rows could be compared with.
    """
    registration = home.registration(dataset)
    if not (registration.benchmarks or registration.test):
        raise SettingsError(
            f"{dataset} has neither benchmarks nor test records to compare its rows with; name one with: xmas run "
            f"{dataset} --benchmark"
        )
    is_new = not registration.exclude_contaminated
    if is_new:
        replace_line(home.registration_path(dataset), "exclude_contaminated", True)
    return is_new


def override_settings(home: Home, dataset: str, settings: Mapping[str, Any]) -> bool:
    """Have a dataset run with these settings; returns whether any is new.

    Args:
        home: The platform's folder.
        dataset: A registered dataset.
        settings: Values by dotted names, such as ``proxy.epochs``.

    Raises:
        SettingsError: If a name or a value is not allowed, a method is not known, or a person's comments would be lost.
    """
    registration, path, changes = home.registration(dataset), home.registration_path(dataset), nested(settings)
    merged = merged_settings(registration.overrides, changes)
    if merged == registration.overrides:
        return False
    parameters = load_settings(registration.profile, merged).methods.parameters
    set_now = changes.get("methods", {}).get("parameters", {})
    check_parameters({name: parameters[name] for name in set_now}, "of --set")
    block = path.read_text(encoding="utf-8").partition("\noverrides:")[2]
    inside = [line for number, line in enumerate(block.splitlines()) if number == 0 or line.startswith((" ", "#"))]
    if any("#" in line for line in inside):
        raise SettingsError(f"'overrides' in {path} holds comments, which --set would lose; edit the file instead")
    replace_line(path, "overrides", merged)
    return True
