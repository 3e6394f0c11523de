"""The datasets and benchmarks that are registered in a home, and the settings of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.profiles import load_settings
from xmas_assets.data.registration import Registration
from xmas_assets.home.benchmarks import Benchmarks
from xmas_assets.home.stored_assets import StoredAssets


@dataclass(frozen=True)
class Registered(StoredAssets):
    """The registrations below a home's folder."""

    def datasets(self) -> list[str]:
        """Names of the registered datasets, sorted."""
        return Registration.names(self.root)

    def registration(self, dataset: str) -> Registration:
        """The dataset's registration, from ``datasets/<name>.yaml``.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        return Registration.named(self.root, dataset)

    def registration_path(self, dataset: str) -> Path:
        """The file of a dataset's registration, which a person may edit.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        return Registration.path(self.root, self.registration(dataset).name)

    def check_new(self, dataset: str) -> None:
        """Refuse a name that no new dataset can have.

        Raises:
            SettingsError: If it is not allowed, or there is a dataset of this name.
        """
        path = Registration.path(self.root, dataset)
        if path.exists():
            raise SettingsError(f"dataset {dataset!r} is there already; edit {path}, or remove it first")

    def register(self, registration: Registration) -> Path:
        """Add a dataset, after a look that its name, files and settings can be used; returns its registration's file.

        Raises:
            SettingsError: If there is a dataset of this name, or its settings are not allowed.
            DatasetError: If a file or the image folder is not there.
        """
        self.check_new(registration.name)
        registration.check_sources()
        _check_settings(registration)
        for name in registration.benchmarks:
            self.benchmarks.registration(name)
        return registration.save(self.root)

    @property
    def benchmarks(self) -> Benchmarks:
        """The registered benchmarks."""
        return Benchmarks(self.root)

    def settings(self, dataset: str) -> Settings:
        """The dataset's settings: its profile with its overrides.

        Raises:
            SettingsError: If the profile or an override is not allowed. Parameters of a method are looked at where it
                runs: what it left behind can be read without it.
        """
        registration = self.registration(dataset)
        settings = load_settings(registration.profile, registration.overrides)
        return settings.of_toy() if self.is_toy(dataset) else settings

    def is_toy(self, dataset: str) -> bool:
        """Whether a dataset is the generated one, not a user's own; also in a home that was copied or moved."""
        return self.registration(dataset).is_toy()


def _check_settings(registration: Registration) -> None:
    """``SettingsError`` unless its profile with its overrides, and the methods with parameters there, are allowed."""
    parameters = load_settings(registration.profile, registration.overrides).methods.parameters
    check_parameters(parameters, f"of dataset {registration.name!r} (profile {registration.profile!r})")


def check_parameters(parameters: Mapping[str, Mapping[str, object]], whose: str) -> None:
    """``SettingsError`` unless these methods are there and can be made with these parameters."""
    if parameters:
        from xmas_assets.selection.registry import parameter_problems  # takes a while, and most datasets set none

        for problem in parameter_problems(parameters):
            raise SettingsError(f"methods.parameters {whose}: {problem}; correct or remove it there")
