"""Datasets of the Hugging Face hub, at a commit, as folders on this disk. Which files of one are read: ``sources``."""

import re
from pathlib import Path
from typing import NamedTuple, Self

from xmas_assets.contracts.errors import DatasetError, SettingsError
from xmas_assets.contracts.messages import one_line
from xmas_assets.files.space import require_space
from xmas_assets.files.whole import remove, rename_all

_ADDRESS = re.compile(r"hf:/+(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[^/]*))?(?:/(?P<inside>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 10  # for an answer of the hub, and for each piece of a file
_CODE = ["*.py", "*.sh", "*.ipynb"]  # nothing of a repository is run, so its code is left there


class HubDataset(NamedTuple):
    """A dataset repository at a commit, or the files of a folder of it.

    Attributes:
        name: ``owner/name``.
        commit: 40 hex digits.
        inside: Folder in the repository; "" for all of it.
    """

    name: str
    commit: str
    inside: str

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """What ``hf://owner/name@COMMIT[/FOLDER]`` stands for, as a path made of it; None for any other path.

        Raises:
            SettingsError: If it is an address of the hub without a commit, or leads out of the repository.
        """
        if path.parts[:1] != ("hf:",):
            return None
        found = _ADDRESS.fullmatch(path.as_posix())
        if found is None or ".." in path.parts:
            raise SettingsError(f"{str(path)!r} is no dataset of the hub; write hf://OWNER/NAME@COMMIT, or .../FOLDER")
        name, revision = found["name"], found["revision"]
        if revision is None or _COMMIT.fullmatch(revision) is None:
            raise SettingsError(
                f"hub dataset {name!r} has revision {revision!r}; write hf://{name}@COMMIT with the 40 hex digits that "
                f"'hf datasets info {name}' prints as sha, so that a rerun sees the same bytes"
            )
        return cls(name, revision, found["inside"] or "")

    def fetch(self, folder: Path) -> Path:
        """The folder of its files below ``folder``; downloaded the first time, and whole once it has its name.

        Raises:
            DatasetError: If there is no such dataset or commit, it holds none of the files, or the hub cannot be asked.
            StoreError: If the disk has no room for it.
        """
        whole = folder / self.name.replace("/", "--") / "-".join([self.commit, *Path(self.inside).parts])
        if not whole.is_dir():
            self._download(whole)
        return whole / self.inside

    def _prefix(self) -> str:
        """What the names of its files begin with, in the repository."""
        return f"{self.inside}/" if self.inside else ""

    def _download(self, whole: Path) -> None:
        import httpx2
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        options = {"repo_type": "dataset", "revision": self.commit, "ignore_patterns": _CODE, "etag_timeout": _SECONDS}
        if self.inside:
            options["allow_patterns"] = [f"{self._prefix()}*"]
        part = whole.with_name(f"{whole.name}.part")  # kept by a killed download, and gone on with
        try:
            part.mkdir(parents=True, exist_ok=True)
            # Asked first because it fails at once without a network, where the download would retry for half a minute.
            info = HfApi().dataset_info(self.name, revision=self.commit, files_metadata=True, timeout=_SECONDS)
            files = [file for file in info.siblings or [] if file.rfilename.startswith(self._prefix())]
            if any(".." in Path(file.rfilename).parts or file.rfilename.startswith("/") for file in files):
                raise DatasetError(f"hub dataset {self.name!r} names files that lead out of it; do not use it")
            if not files:
                raise DatasetError(f"hub dataset {self.name!r} has no folder {self.inside!r} at {self.commit}")
            require_space(part, sum(file.size or 0 for file in files), f"the files of hub dataset {self.name!r}")
            snapshot_download(self.name, local_dir=part, **options)
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise DatasetError(
                f"hub dataset {self.name!r} is missing or gated, or has no commit {self.commit}; check both, or log "
                f"in: {one_line(error)}"
            ) from error
        except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
            raise DatasetError(
                f"hub dataset {self.name!r} cannot be fetched ({one_line(error)}); go online and run again, or give a "
                "folder"
            ) from error
        remove(part / ".cache")  # the client's notes
        rename_all({part: whole})


def local(path: Path, folder: Path) -> Path:
    """A path as it is; or the folder below ``folder`` that an address of the hub is fetched into."""
    dataset = HubDataset.of(path)
    return path if dataset is None else dataset.fetch(folder)
