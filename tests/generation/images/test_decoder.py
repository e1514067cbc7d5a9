"""Images become pixels in a process of their own; what is none is refused by its field's name."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import struct
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import PIL.Image
import pytest
from hostile_images import bomb

from edge_rt.config.images import Images
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.images import Image
from edge_rt.generation.images.decoder import WORKER, ImageDecoder, ImageSource

RED, GREEN = (204, 0, 51), (0, 204, 51)  # which every palette has
HOSTILE = 200


def picture(width: int = 40, height: int = 20, mode: str = "RGB") -> PIL.Image.Image:
    """Red on the left, green on the right."""
    image = PIL.Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image.convert(mode)


def file_of(image: PIL.Image.Image, format: str, **how: Any) -> bytes:
    content = BytesIO()
    image.save(content, format, **how)
    return content.getvalue()


def source(content: bytes, at: str = "messages[0].content[1]") -> ImageSource:
    return ImageSource(at, f"data:image/png;base64,{base64.b64encode(content).decode()}")


def decode(*contents: bytes, **limits: Any) -> list[Image]:
    sources = [source(content, f"at[{i}]") for i, content in enumerate(contents)]
    return asyncio.run(ImageDecoder(Images(**limits)).decode(sources))


def refusal(*sources: ImageSource, **limits: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        asyncio.run(ImageDecoder(Images(**limits)).decode(sources))
    return caught.value


def pixel(image: Image, x: int, y: int) -> tuple[int, ...]:
    start = 3 * (y * image.reference.width + x)
    return tuple(image.pixels[start : start + 3])


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 30 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("format", "mode", "how"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("WEBP", "RGB", {"lossless": True}),
        ("GIF", "P", {}),
    ],
)
def test_formats(format: str, mode: str, how: dict[str, Any]) -> None:
    (image,) = decode(file_of(picture(mode=mode), format, **how))
    assert (image.reference.width, image.reference.height) == (40, 20)
    assert near(pixel(image, 5, 10), RED)
    assert near(pixel(image, 35, 10), GREEN)


def test_the_same_pixels_are_the_same_image() -> None:
    png, webp = decode(
        file_of(picture(), "PNG"), file_of(picture(), "WEBP", lossless=True, exact=True)
    )
    assert png == webp
    (other,) = decode(file_of(picture(41), "PNG"))
    assert other.reference.sha256 != png.reference.sha256


def test_large_ones_are_scaled_down() -> None:
    (image,) = decode(file_of(picture(3000, 1500), "JPEG"), pixels=8192)
    assert (image.reference.width, image.reference.height) == (128, 64)
    assert near(pixel(image, 20, 32), RED)
    assert near(pixel(image, 110, 32), GREEN)


def test_a_photo_stands_as_the_camera_was_held() -> None:
    turned = PIL.Image.Exif()
    turned[0x0112] = 6  # of 90 degrees, clockwise
    content = file_of(picture(), "JPEG", exif=turned, quality=95)
    (image,) = decode(content)
    assert (image.reference.width, image.reference.height) == (20, 40)
    assert near(pixel(image, 10, 5), RED)
    (small,) = decode(file_of(picture(400, 200), "JPEG", exif=turned), pixels=4096)
    assert small.reference.width < small.reference.height


def test_what_is_transparent_is_white() -> None:
    clear = PIL.Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    (image,) = decode(file_of(clear, "PNG"))
    assert set(image.pixels) == {255}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "none of PNG"),
        (b"hello", "none of PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of PNG"),
        (file_of(picture(), "BMP"), "none of PNG"),
        (file_of(picture(), "TIFF"), "none of PNG"),
        (file_of(picture(), "PNG")[:-30], "damaged"),
        (file_of(picture(400, 400), "JPEG")[:600], "damaged"),
        (bomb(60000, 60000), "3600000000|60000 x 60000 pixels"),
        (bomb(6000, 6000), "damaged"),
    ],
)
def test_what_is_no_image_is_refused_by_name(content: bytes, said: str) -> None:
    error = refusal(source(content))
    assert (error.param, error.code) == ("messages[0].content[1]", "invalid_image")
    assert any(word in str(error) for word in said.split("|")), error


def test_the_first_at_fault_is_named() -> None:
    good = file_of(picture(), "PNG")
    assert refusal(source(good, "one"), source(b"x", "two"), source(b"y", "three")).param == "two"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.org/cat.png", "nothing is fetched"),
        ("http://127.0.0.1/cat.png", "nothing is fetched"),
        ("ftp://example.org/cat.png", "nothing is fetched"),
        ("/etc/passwd", "nothing is fetched"),
        ("file:///etc/passwd", "no files are read"),
        ("data:image/png,abc", "expected data:image/TYPE;base64"),
        ("data:image/png;base64,a*b", "no base64"),
        ("data:image/png;base64", "expected data:image/TYPE;base64"),
        ("", "nothing is fetched"),
    ],
)
def test_urls_that_are_not_read(url: str, said: str) -> None:
    error = refusal(ImageSource("messages[2].content[0]", url))
    assert error.param == "messages[2].content[0]"
    assert said in str(error)


def test_number_and_bytes_are_limited() -> None:
    good = source(file_of(picture(), "PNG"))
    error = refusal(good, good, good._replace(at="third"), most=2)
    assert error.param == "third"
    assert "images.most" in str(error)
    assert "images.file_bytes" in str(refusal(good, file_bytes=40))


def test_all_images_of_a_request_together_are_limited() -> None:
    large = file_of(PIL.Image.new("L", (2048, 2048)), "PNG")
    sources = [source(large, f"at[{i}]") for i in range(5)]
    error = refusal(*sources, pixels=1 << 22)
    assert error.param == "at[4]"
    assert f"more than {1 << 24} pixels" in str(error)


def test_files_below_the_folder_alone_are_read(tmp_path: Path) -> None:
    folder, outside = tmp_path / "pictures", tmp_path / "outside.png"
    folder.mkdir()
    content = file_of(picture(), "PNG")
    (folder / "a cat.png").write_bytes(content)
    outside.write_bytes(content)
    (folder / "link.png").symlink_to(outside)
    os.mkfifo(folder / "pipe.png")
    decoder = ImageDecoder(Images(folder=str(folder)))
    url = f"file://{folder}/a%20cat.png"
    assert asyncio.run(decoder.decode([ImageSource("at", url)])) == decode(content)
    for name in ("../outside.png", "link.png", "none.png", "", "pipe.png", "%00"):
        error = refusal(ImageSource("at", f"file://{folder}/{name}"), folder=str(folder))
        assert "no such file below" in str(error)


def hostile(random: random.Random) -> bytes:
    """A file of a kind that is known, with bytes changed, cut, doubled or put in."""
    size = random.randrange(1, 200), random.randrange(1, 200)
    format = random.choice(["PNG", "JPEG", "WEBP", "GIF"])
    content = bytearray(file_of(picture(*size), format))
    for _ in range(random.randrange(1, 8)):
        at = random.randrange(len(content))
        match random.randrange(4):
            case 0:
                content[at] = random.randrange(256)
            case 1:
                del content[at : at + random.randrange(1, 40)]
            case 2:
                content[at:at] = content[at : at + random.randrange(1, 40)]
            case _:
                content[at : at + 4] = struct.pack(
                    ">I", random.choice([0, 1, 2**31 - 1, 2**32 - 1])
                )
        content = content or bytearray(b"\0")
    return bytes(content)


def test_hostile_files_are_refused_or_decoded_whole() -> None:
    """All of them in one process, which none may end."""
    chance = random.Random(5)
    files = [hostile(chance) for _ in range(HOSTILE)]
    found = asyncio.run(ImageDecoder(Images(timeout_s=120.0))._decoded("at", files))
    refused = [one for one in found if isinstance(one, str)]
    assert HOSTILE // 4 < len(refused) < HOSTILE
    assert all(one.startswith(("is damaged", "is none of", "has ")) for one in refused)


SAYS_NOTHING = "import sys; sys.stdin.buffer.read(4); sys.exit(3)"
CRASHES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
SLEEPS = "import time; time.sleep(1000)"
LIES = """
import msgspec, sys
sys.stdin.buffer.read(4)
content = msgspec.msgpack.encode([(100, 100, b"few")])
sys.stdout.buffer.write(len(content).to_bytes(4, "big") + content)
"""
ENDLESS = "import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(b'\\xff' * (1 << 20))"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (SAYS_NOTHING, r"was ended \(3\)"),
        (CRASHES, r"was ended \(-11\)"),
        (SLEEPS, "images.timeout_s"),
        (LIES, "gives no pixels"),
        (ENDLESS, "gives no pixels"),
        ("import sys; sys.stdin.buffer.read(4); print('hello' * 9)", "gives no pixels"),
    ],
)
def test_the_end_of_a_decoder_costs_its_request_alone(program: str, said: str) -> None:
    limits = Images(timeout_s=1.0 if program == SLEEPS else 60.0)
    decoder = ImageDecoder(limits, [sys.executable, "-c", program])

    async def both() -> list[Image]:
        with pytest.raises(RequestError, match=said) as caught:
            await decoder.decode([source(b"x")])
        assert caught.value.code == "invalid_image"
        decoder._command = WORKER
        decoder._limits = Images()
        return await decoder.decode([source(file_of(picture(), "PNG"))])

    assert asyncio.run(both()) == decode(file_of(picture(), "PNG"))


def test_without_a_program_it_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not start"):
        asyncio.run(ImageDecoder(Images(), ["/nowhere"]).decode([source(b"x")]))


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RequestError, match=r"edge-rt\[images\]") as caught:
        asyncio.run(ImageDecoder(Images()).decode([source(b"x")]))
    assert caught.value.code == "missing_extra"


PROBE = """
import socket, sys
from edge_rt.generation.images import worker
def decoded(content, *limits):
    said = []
    for what in (
        lambda: socket.socket(),
        lambda: socket.socket(socket.AF_UNIX),
        lambda: open(content.decode(), "w").write("x") or 0,
        lambda: bytearray(1 << 31),
    ):
        try:
            what()
            said.append("done")
        except (OSError, MemoryError) as error:
            said.append(type(error).__name__)
    return " ".join(said)
worker.decoded = decoded
worker.main()
"""


def test_the_process_has_no_network_and_writes_nothing(tmp_path: Path) -> None:
    decoder = ImageDecoder(Images(), [sys.executable, "-c", PROBE])
    target = tmp_path / "written"
    with pytest.raises(RequestError) as caught:
        asyncio.run(decoder.decode([source(str(target).encode())]))
    assert "PermissionError PermissionError" in str(caught.value)
    assert str(caught.value).endswith("MemoryError.")
    assert not target.exists() or not target.read_bytes()


def test_requests_take_turns() -> None:
    decoder = ImageDecoder(Images())

    async def many() -> list[list[Image]]:
        one = [source(file_of(picture(), "PNG"))]
        return await asyncio.gather(*(decoder.decode(one) for _ in range(5)))

    assert (
        len({msgspec.json.encode([i.reference for i in each]) for each in asyncio.run(many())}) == 1
    )


def test_where_memory_is_short_it_goes_before_the_engine() -> None:
    process = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    score = Path(f"/proc/{process.pid}/oom_score_adj")
    try:
        for _ in range(500):
            if score.read_text() == "1000\n":
                break
            time.sleep(0.01)
        assert score.read_text() == "1000\n"
    finally:
        process.kill()
        process.communicate()
