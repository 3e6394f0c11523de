"""Images that came as bytes inside a dataset's files, as packs: one object holds many, for requests are dear."""

import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.objects import GoneError
from xmas_assets.files.whole import (
    UNFINISHED,
    file_sha256,
    move_files,
    remove,
    replacing,
    temporary_path,
)
from xmas_assets.home.leases import Lease
from xmas_assets.home.remote import RemoteHome
from xmas_assets.home.remote_index import Manifest
from xmas_assets.home.remote_notes import FOLDER, place

IN_A_PACK = 256
_PACKS = "packs"


def publish_images(remote: RemoteHome, *, needed: Callable[[set[str]], set[str]] = lambda names: set()) -> None:
    """Store the images that are here and in no pack; a pack of which images were removed here is packed anew.

    A pack that is replaced goes when what is left of it is stored. One machine at a time packs.

    Args:
        remote: The store.
        needed: Which, of images that another machine has removed meanwhile, are in use here: they are stored again.

    Raises:
        StoreError: If the store cannot be used.
    """
    with remote.alone():
        left, broken, _ = _unpacked(remote)
    if not left and not broken:
        return
    with _packing(remote) as lease, remote.alone():
        remote.index.refresh()
        left, broken, lost = _unpacked(remote)
        lost -= needed(lost)
        left = sorted(set(left) - lost)
        for start in range(0, len(left), IN_A_PACK):
            names = left[start : start + IN_A_PACK]
            with temporary_path(remote.root / FOLDER / "pack") as unfinished:
                _pack(unfinished, remote.root / "images", names)
                pack = file_sha256(unfinished)
                remote.index.announce(f"{_PACKS}/{pack}")
                remote.index.put_file(f"{_PACKS}/{pack}", unfinished, pack)
            lease.check()
            manifest = Manifest({"": pack})
            remote.index.change(f"{_PACKS}/{pack}", lambda _, manifest=manifest: manifest)
            _remember(remote.root, pack, names)
        for pack in broken:
            remote.index.drop([f"{_PACKS}/{pack}"])
            _note(remote.root, pack).unlink()
        for name in lost:
            (remote.root / "images" / name).unlink(missing_ok=True)


def sweep_images(remote: RemoteHome) -> None:
    """Delete packs that nothing names, which killed commands left.

    Raises:
        StoreError: If the store cannot be used.
    """
    with _packing(remote), remote.alone():
        remote.index.sweep(lambda unit: unit.startswith(f"{_PACKS}/"))


def forget_images(remote: RemoteHome, names: Iterable[str]) -> None:
    """Remove images from this machine that are, by their names, gone: those of packs that are, and some in no pack.

    Raises:
        StoreError: If the store cannot be used.
    """
    with remote.alone():
        for folder in (FOLDER, "images"):
            for unfinished in (remote.root / folder).glob(f".pack*{UNFINISHED}"):  # of a killed command
                remove(unfinished)
        packs = [note.stem for note in _note(remote.root, "*").parent.glob("*.txt")]
        if any(f"{_PACKS}/{pack}" not in remote.index.digests for pack in packs):
            fetch_images(remote)
        unpacked = set(names)
        unpacked -= set[str]().union(*_known(remote.root).values()) if unpacked else set()
        for name in unpacked:
            place(remote.root / "images", name).unlink(missing_ok=True)


def fetch_images(remote: RemoteHome) -> None:
    """Bring the images of packs that are new to this machine, and remove those of packs that are gone.

    Raises:
        StoreError: If the store cannot be used, or a pack is damaged.
    """
    with remote.alone():
        try:
            _fetch_images(remote)
        except GoneError:  # packed anew meanwhile
            remote.index.refresh()
            _fetch_images(remote)


def _fetch_images(remote: RemoteHome) -> None:
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


def _unpacked(remote: RemoteHome) -> tuple[list[str], list[str], set[str]]:
    """Images here that are in no pack, packs that hold more than is here or are gone, and images here of the latter."""
    here, known = set(_names(remote.root / "images")), _known(remote.root)
    stored = {pack for pack in known if f"{_PACKS}/{pack}" in remote.index.digests}
    whole = {pack for pack in stored if known[pack] <= here}
    packed = set[str]().union(*(known[pack] for pack in whole))
    kept = packed.union(*(known[pack] for pack in stored))
    lost = here & set[str]().union(*(known[pack] for pack in known.keys() - stored)) - kept
    return sorted(here - packed), sorted(known.keys() - whole), lost


@contextmanager
def _packing(remote: RemoteHome) -> Iterator[Lease]:
    """Keep other machines from packing images."""
    lease = Lease(remote.index.store, _PACKS)
    lease.acquire("images are being packed by another run")
    try:
        yield lease
    finally:
        lease.release()


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
