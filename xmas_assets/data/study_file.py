"""A study in one file: which dataset, methods, budgets and seeds; what ``xmas run study.yaml`` reads."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets.contracts.section import Section
from xmas_assets.data.plain_yaml import read_yaml

_Budget = Annotated[str, BeforeValidator(str)]  # in YAML a number, a percentage or a text


class Study(Section):
    """What a run is asked for. Its fields are the options of ``xmas run``."""

    dataset: str = Field(description="Name of a registered dataset.")
    methods: tuple[str, ...] = Field(min_length=1, description="Methods that xmas methods lists.")
    budgets: tuple[_Budget, ...] = Field(default=("0.1",), min_length=1, description="Shares, percentages or rows.")
    seeds: int = Field(default=1, ge=1, description="Seeds 0..N-1.")
    workers: int = Field(default=1, ge=1, description="Selections trained side by side.")
    benchmarks: tuple[str, ...] = Field(default=(), description="Registered benchmarks that targets are scored on.")
    exclude_contaminated: bool = Field(default=False, description="Select no row that shares what targets are asked.")
    set: dict[str, Any] = Field(default={}, description="Settings by their dotted names, such as proxy.epochs.")

    @classmethod
    def of(cls, source: str, **options: Any) -> Self:
        """The study in a file, or of a dataset; options that are given win over what the file says.

        Args:
            source: Name of a dataset, or a file that ends in ``.yaml`` or ``.yml``.
            **options: The other fields; None, false or an empty list is not given.

        Raises:
            SettingsError: If the file cannot be read, a field is not allowed, or no method is named.
        """
        is_file = source.endswith((".yaml", ".yml"))
        values = read_yaml(Path(source)) if is_file else {"dataset": source}
        given = {name: value for name, value in options.items() if value not in (None, False, [], {})}
        try:
            return cls.model_validate(values | given)
        except ValidationError as error:
            if "methods" not in values | given:
                raise SettingsError("no method was named; add --method METHOD (see: xmas methods)") from None
            where = source if is_file else f"run of {source}"
            raise SettingsError(f"{where}: {describe_invalid(error)}") from None
