"""What a benchmark of another package must be to be used like our own."""

import inspect
import re
from typing import ClassVar

from xmas_assets.contracts.errors import SettingsError, XmasError
from xmas_assets.contracts.plugins import PluginRegistry
from xmas_assets.evaluation.benchmarks.base import Benchmark

_DECLARED = {"name": str, "title": str, "source": str, "metric": str, "max_new_tokens": int, "files": str}
_NAME = re.compile("[a-z0-9]+(_[a-z0-9]+)*")


class BenchmarkRegistry(PluginRegistry[Benchmark]):
    """Benchmarks by name; an entry point leads from a name to a class, which is made without arguments."""

    group: ClassVar[str] = "xmas_assets.benchmarks"
    noun: ClassVar[str] = "benchmark"
    error: ClassVar[type[XmasError]] = SettingsError

    def _accepted(self, loaded: object, name: str | None) -> Benchmark:
        if not (isinstance(loaded, type) and issubclass(loaded, Benchmark)):
            raise ValueError(f"is {loaded!r:.80}, not a subclass of {Benchmark.__module__}.Benchmark")
        full_name = f"{loaded.__module__}.{loaded.__qualname__}"
        missing = [field for field, kind in _DECLARED.items() if not isinstance(getattr(loaded, field, None), kind)]
        if missing:
            declared = ", ".join(f"{field}: ClassVar[{_DECLARED[field].__name__}]" for field in missing)
            raise ValueError(f"lacks {declared}; declare what is missing in {full_name}")
        if loaded.name != name or not _NAME.fullmatch(loaded.name):
            raise ValueError(
                f"calls itself {loaded.name!r}; use one name, words of a-z and 0-9 joined by '_', for class and package"
            )
        if inspect.isabstract(loaded):
            raise ValueError(
                f"does not define {', '.join(sorted(loaded.__abstractmethods__))}; define it in {full_name}"
            )
        try:
            return loaded()
        except Exception as error:  # the code of others may raise anything
            words = " ".join(str(error).split())[:200]
            raise ValueError(f"cannot be made by {full_name}() ({type(error).__name__}: {words}); repair it") from error
