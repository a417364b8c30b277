"""The thumbnails of a folder: each is there once and whole, wherever the job is cut."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from examples.image_resize.jobs import SIZE, Summary, make_thumbnail, resize_folder
from rq_steps.testing import LiveJobs, Rehearsal, everywhere

BROKEN = {
    "cut.jpg": "is broken: image file is truncated (0 bytes not processed)",
    "text.png": "is none of JPEG, PNG, WEBP",
}
GOOD = ["alpha.PNG", "photo.jpg", "turned.jpeg", "web.webp"]
SUMMARY: Summary = {"resized": len(GOOD), "broken": BROKEN}


def content(kind: str, size: tuple[int, int] = (640, 400), mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new(mode, size, "teal").save(file, kind)
    return file.getvalue()


def turned(size: tuple[int, int]) -> bytes:
    """As a camera writes what was taken with the camera on its side."""
    exif, file = Image.Exif(), BytesIO()
    exif[0x0112] = 6  # the orientation
    Image.new("RGB", size, "teal").save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    files = {
        "alpha.PNG": content("PNG", mode="RGBA"),
        "cut.jpg": content("JPEG")[:-400],
        "notes.txt": b"no image, and not called one",
        "photo.jpg": content("JPEG"),
        "text.png": b"no image",
        "turned.jpeg": turned((640, 400)),
        "web.webp": content("WEBP", (60, 40)),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "thumbnails"


def is_complete(target: Path) -> None:
    notes = {path.name.removesuffix(".error") for path in target.glob("*.error")}
    thumbnails = sorted(path for path in target.iterdir() if path.suffix != ".error")
    assert [path.name for path in thumbnails] == GOOD
    assert notes == set(BROKEN)
    for path in thumbnails:
        with Image.open(path) as image:
            image.load()


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


class TestCuts:
    def test_wherever_it_is_cut_every_image_has_its_thumbnail_or_its_note(
        self, folder: Path, target: Path
    ) -> None:
        def make() -> Rehearsal:
            shutil.rmtree(target, ignore_errors=True)
            return Rehearsal(resize_folder, str(folder), str(target))

        def is_right(rehearsal: Rehearsal) -> None:
            assert rehearsal.result == SUMMARY
            is_complete(target)

        everywhere(make, is_right)

    def test_real_workers_that_are_stopped_and_killed_make_the_same(
        self, folder: Path, target: Path, live_jobs: LiveJobs
    ) -> None:
        job = live_jobs.enqueue(resize_folder, str(folder), str(target))
        live_jobs.stop(during="make_thumbnails", cursor=2)
        live_jobs.kill_horse(during="make_thumbnails", cursor=4)
        live_jobs.run(job)
        assert job.return_value() == SUMMARY
        is_complete(target)

    def test_what_was_added_meanwhile_does_not_move_the_place(
        self, folder: Path, target: Path
    ) -> None:
        rehearsal = Rehearsal(resize_folder, str(folder), str(target))
        names = ["alpha.PNG", "photo.jpg", "web.webp"]
        (folder / "added.jpg").write_bytes(content("JPEG"))
        rehearsal.start_at("make_thumbnails", cursor=1, completed={"list_images": names})
        rehearsal.run()
        assert sorted(path.name for path in target.iterdir()) == ["photo.jpg", "web.webp"]

    def test_a_thumbnail_that_is_cut_is_not_there_until_it_is_whole(
        self, folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", write_a_half)
            with pytest.raises(KeyboardInterrupt):
                make_thumbnail(folder / "photo.jpg", target / "photo.jpg")
        assert not (target / "photo.jpg").exists()
        make_thumbnail(folder / "photo.jpg", target / "photo.jpg")
        assert [path.name for path in target.iterdir()] == ["photo.jpg"]


def write_a_half(path: Path, data: bytes) -> int:
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise KeyboardInterrupt


class TestThumbnails:
    def test_an_image_keeps_its_proportions_and_format(self, folder: Path, target: Path) -> None:
        resize_folder(str(folder), str(target))
        assert size_of(target / "photo.jpg") == (SIZE[0], SIZE[0] * 400 // 640)
        with Image.open(target / "alpha.PNG") as image:
            assert (image.format, image.mode) == ("PNG", "RGBA")

    def test_a_small_image_is_not_enlarged(self, folder: Path, target: Path) -> None:
        resize_folder(str(folder), str(target))
        assert size_of(target / "web.webp") == (60, 40)

    def test_a_turned_image_stands_upright(self, folder: Path, target: Path) -> None:
        resize_folder(str(folder), str(target))
        assert size_of(target / "turned.jpeg") == (SIZE[1] * 400 // 640, SIZE[1])

    def test_a_jpeg_of_several_pictures_is_one(self, folder: Path, target: Path) -> None:
        first, second = (Image.new("RGB", (640, 400), colour) for colour in ("teal", "red"))
        first.save(folder / "photo.jpg", "MPO", save_all=True, append_images=[second])
        resize_folder(str(folder), str(target))
        with Image.open(target / "photo.jpg") as image:
            assert (image.format, getattr(image, "n_frames", 1)) == ("JPEG", 1)


class TestBrokenImages:
    def test_an_image_that_is_gone_is_reported(self, folder: Path, target: Path) -> None:
        rehearsal = Rehearsal(resize_folder, str(folder), str(target))
        rehearsal.start_at("make_thumbnails", completed={"list_images": ["gone.jpg"]})
        assert rehearsal.run().result == {
            "resized": 0,
            "broken": {"gone.jpg": "is no longer there"},
        }

    def test_an_image_of_absurd_size_is_reported(
        self, folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
        reason = resize_folder(str(folder), str(target))["broken"]["photo.jpg"]
        assert reason.startswith("is broken: Image size (256000 pixels) exceeds limit")

    def test_a_disk_that_fails_is_no_broken_image(
        self, folder: Path, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_path: Path) -> bytes:
            raise OSError("the disk failed")

        monkeypatch.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="the disk failed"):
            resize_folder(str(folder), str(target))
        assert list(target.iterdir()) == []

    def test_a_second_run_leaves_nothing_that_is_no_longer_true(
        self, folder: Path, target: Path
    ) -> None:
        resize_folder(str(folder), str(target))
        (folder / "text.png").write_bytes(content("PNG"))
        (folder / "photo.jpg").write_bytes(b"no image")
        resize_folder(str(folder), str(target))
        assert sorted(path.name for path in target.glob("*.error")) == [
            "cut.jpg.error",
            "photo.jpg.error",
        ]
        assert (target / "text.png").exists()
        assert not (target / "photo.jpg").exists()

    def test_images_are_never_replaced_by_their_thumbnails(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="a folder of their own"):
            resize_folder(str(folder), f"{folder}/../photos")
