"""The job: `resize_folder` makes a thumbnail of each image in a folder, and tells which are broken.

Images happen at least once: after a crash, those since the last save come again. That does no harm.
What is written is written under another name, and renamed when it is whole; written again, it is
the same.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TypedDict

from PIL import Image, ImageOps, UnidentifiedImageError

from rq_steps import Step, continuable, step

SIZE = (320, 320)  # pixels, at most
FORMATS = ["JPEG", "PNG", "WEBP"]
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}

# What Pillow raises over the content of a file. Not `Exception`: RQ's timeout is one, too.
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class UnusableImageError(ValueError):
    """There can be no thumbnail of it; the message says why."""


class Summary(TypedDict):
    """What became of the images."""

    resized: int
    broken: dict[str, str]  # by name: the reason


@continuable
def resize_folder(folder: str, target: str) -> Summary:
    """Make the thumbnails of one folder in another."""
    names = list_images(folder, target)
    make_thumbnails(folder, target, names)
    return summarize(target, names)


@step
def list_images(folder: str, target: str) -> list[str]:
    """The images, taken down once: what is added later does not move the place in the list.

    Raises:
        ValueError: the thumbnails would take the place of the images.
    """
    if Path(folder).resolve() == Path(target).resolve():
        raise ValueError(f"thumbnails need a folder of their own, not {folder}")
    files = [path for path in Path(folder).iterdir() if path.is_file()]
    return sorted(path.name for path in files if path.suffix.lower() in SUFFIXES)


@step
def make_thumbnails(step: Step, folder: str, target: str, names: list[str]) -> None:
    """Leave a thumbnail of each image in the target folder, or a note why there is none."""
    Path(target).mkdir(parents=True, exist_ok=True)
    for name in step.each(names):
        make_thumbnail(Path(folder, name), Path(target, name))


@step
def summarize(target: str, names: list[str]) -> Summary:
    """Counted in the folder: a counter in the steps before would not outlive a deploy."""
    notes = {name: _note_of(Path(target, name)) for name in names}
    return {
        "resized": sum(Path(target, name).exists() for name in names),
        "broken": {name: note.read_text("utf-8") for name, note in notes.items() if note.exists()},
    }


def make_thumbnail(image: Path, thumbnail: Path) -> None:
    """Write the thumbnail, or a note beside its place. What another run has left there goes."""
    note = _note_of(thumbnail)
    try:
        content = _shrunk(_read(image))
    except UnusableImageError as problem:
        _write_whole(note, str(problem).encode())
        thumbnail.unlink(missing_ok=True)
    else:
        _write_whole(thumbnail, content)
        note.unlink(missing_ok=True)


def _read(image: Path) -> bytes:
    # No other error is the image's: when the disk fails, so does the job, and is resumed.
    try:
        return image.read_bytes()
    except FileNotFoundError:
        raise UnusableImageError("is no longer there") from None


def _shrunk(content: bytes) -> bytes:
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return _thumbnail(image)
    except UnidentifiedImageError:
        raise UnusableImageError(f"is none of {', '.join(FORMATS)}") from None
    except BROKEN as problem:
        raise UnusableImageError(f"is broken: {problem}") from problem


def _thumbnail(image: Image.Image) -> bytes:
    image.thumbnail(SIZE)
    ImageOps.exif_transpose(image, in_place=True)  # cameras turn the picture with a note in it
    content = BytesIO()
    image.save(content, image.format, icc_profile=image.info.get("icc_profile"))
    return content.getvalue()


def _write_whole(path: Path, content: bytes) -> None:
    """The file is there as a whole or not at all, whenever the process is killed."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _note_of(thumbnail: Path) -> Path:
    return thumbnail.with_name(f"{thumbnail.name}.error")
