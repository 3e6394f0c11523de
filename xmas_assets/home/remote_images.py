"""Images that came as bytes inside a dataset's files, as packs: one object holds many, for requests are dear."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.whole import UNFINISHED, file_sha256, move_files, replacing, temporary_path
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.remote_index import Manifest
from xmas_assets.home.remote_notes import FOLDER

IN_A_PACK = 256
_PACKS = "packs"


def publish_images(remote: RemoteHome) -> None:
    """Store the images that are here and in no pack; a pack of which images were removed here is packed again.

    Raises:
        StoreError: If the store cannot be used.
    """
    with remote.alone():
        here, packed = set(_names(remote.root / "images")), set[str]()
        for pack, members in _known(remote.root).items():
            if members <= here:
                packed |= members
            else:
                remote.index.drop([f"{_PACKS}/{pack}"])
                _note(remote.root, pack).unlink()
        left = sorted(here - packed)
        for start in range(0, len(left), IN_A_PACK):
            names = left[start : start + IN_A_PACK]
            with temporary_path(remote.root / FOLDER / "pack") as unfinished:
                _pack(unfinished, remote.root / "images", names)
                pack = file_sha256(unfinished)
                remote.index.put_file(f"{_PACKS}/{pack}", unfinished, pack)
            manifest = Manifest({"": pack})
            remote.index.change(f"{_PACKS}/{pack}", lambda _, manifest=manifest: manifest)
            _remember(remote.root, pack, names)


def fetch_images(remote: RemoteHome) -> None:
    """Bring the images of packs that are new to this machine, and remove those of packs that are gone.

    Raises:
        StoreError: If the store cannot be used, or a pack is damaged.
    """
    with remote.alone():
        known, images = _known(remote.root), remote.root / "images"
        stored = {unit.removeprefix(f"{_PACKS}/") for unit in remote.index.below(_PACKS)}
        for pack in sorted(stored - known.keys()):
            with temporary_path(remote.root / FOLDER / "pack") as unfinished:
                remote.index.fetch_file(f"{_PACKS}/{pack}", pack, unfinished)
                known[pack] = _unpack(unfinished, images)
            _remember(remote.root, pack, known[pack])
        kept = {name for pack in stored for name in known[pack]}
        for pack in known.keys() - stored:
            for name in known[pack] - kept:
                (images / name).unlink(missing_ok=True)
            _note(remote.root, pack).unlink()


def _names(store: Path) -> Iterator[str]:
    for path in store.rglob("*"):
        name = path.relative_to(store).as_posix()
        if path.is_file() and UNFINISHED not in name:
            yield name


def _pack(target: Path, store: Path, names: list[str]) -> None:
    """Write images into an archive that is the same for the same images."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = (store / name).stat().st_size
            with (store / name).open("rb") as content:
                archive.addfile(member, content)


def _unpack(pack: Path, store: Path) -> set[str]:
    """Put the images of an archive into the store; gives their names."""
    with temporary_path(store / "pack") as folder, tarfile.open(pack, "r:") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or name.is_absolute() or ".." in name.parts:
                raise StoreError(f"a pack of images holds {member.name[:100]!r}, which is no image of ours")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.read())
        return set(move_files(folder, store))


def _known(root: Path) -> dict[str, set[str]]:
    """The images, by pack, of the packs that were made or fetched here."""
    notes = (root / FOLDER / _PACKS).glob("*.txt")
    return {note.stem: set(note.read_text(encoding="utf-8").splitlines()) for note in notes}


def _remember(root: Path, pack: str, names: Iterable[str]) -> None:
    with replacing(_note(root, pack)) as unfinished:
        unfinished.write_text("\n".join(sorted(names)), encoding="utf-8")


def _note(root: Path, pack: str) -> Path:
    return root / FOLDER / _PACKS / f"{pack}.txt"
