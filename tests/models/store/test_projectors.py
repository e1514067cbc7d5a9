"""A projector beside a model of llama.cpp: taken in, kept, and refused."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
from tiny_projector import write_projector, write_seeing

from edge_rt.config.schema import Engine
from edge_rt.core.errors import DamagedFile, ModelFileError, RequestError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.naming import content_sha256
from edge_rt.models.quantize import quantize
from edge_rt.models.store.store import Store
from edge_rt.routing.loading import wanted


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_seeing(tmp_path_factory.mktemp("seeing"), "gemma3")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", Catalogue())


def test_it_is_a_file_of_the_model(store: Store, files: tuple[Path, Path]) -> None:
    model, projector = files
    entry = store.add(model, "sees", projector=projector)
    assert entry.projector == store.root / "sees" / projector.name
    assert entry.projector.read_bytes() == projector.read_bytes()
    pairs = [(file.name, file.sha256) for file in entry.files]
    assert entry.sha256 == content_sha256(pairs)
    assert entry.size == model.stat().st_size + projector.stat().st_size
    assert store.check("sees") == entry.path
    again = Store(store.root, Catalogue()).get("sees")
    assert (again.projector, again.summary) == (entry.projector, entry.summary)
    blind = store.add(model, "blind")
    assert blind.projector is None
    assert blind.sha256 != entry.sha256


def test_a_damaged_one_is_noticed_and_mended(store: Store, files: tuple[Path, Path]) -> None:
    model, projector = files
    entry = store.add(model, "sees", projector=projector)
    assert entry.projector is not None
    entry.projector.write_bytes(b"x" * projector.stat().st_size)
    with pytest.raises(DamagedFile):
        store.check("sees")
    with pytest.raises(ModelFileError, match="sha256"):
        store.mend(model, "sees")
    store.mend(model, "sees", projector=projector)
    assert store.check("sees") == entry.path


def test_two_of_one_name_are_both_kept(
    store: Store, files: tuple[Path, Path], tmp_path: Path
) -> None:
    model, projector = files
    twin = tmp_path / model.name
    twin.write_bytes(projector.read_bytes())
    entry = store.add(model, "sees", projector=twin)
    assert entry.projector == store.root / "sees" / "mmproj.gguf"


def test_the_memory_fit_counts_it(store: Store, files: tuple[Path, Path]) -> None:
    model, projector = files
    sees, blind = store.add(model, "sees", projector=projector), store.add(model, "blind")
    engine = Engine(context=256)
    with_eyes, without = (wanted(one, one.path, engine) for one in (sees, blind))
    more = projector.stat().st_size + sees.summary.look_bytes
    assert sees.summary.look_bytes > 0
    assert with_eyes.need_bytes - without.need_bytes == more
    assert with_eyes.mapped_bytes == without.mapped_bytes == model.stat().st_size
    assert with_eyes.spec.projector == str(sees.projector)


@pytest.mark.parametrize("layers", [1, 99])
def test_it_lies_on_a_gpu_with_all_layers(
    store: Store, files: tuple[Path, Path], layers: int
) -> None:
    model, projector = files
    sees, blind = store.add(model, "sees", projector=projector), store.add(model, "blind")
    engine = Engine(context=256, gpu_layers=layers)
    with_eyes, without = (wanted(one, one.path, engine) for one in (sees, blind))
    more = projector.stat().st_size if layers == 99 else 0
    assert with_eyes.gpu_bytes - without.gpu_bytes == more


def test_another_number_format_sees_as_well(store: Store, files: tuple[Path, Path]) -> None:
    model, projector = files
    sees = store.add(model, "sees", projector=projector)
    made = quantize("sees", "Q8_0", store, threads=1)
    assert made.projector is not None
    assert made.projector.read_bytes() == projector.read_bytes()
    assert made.source_sha256 == sees.sha256
    assert made.size < sees.size
    assert store.harm("sees") is None


def changed(source: Path, target: Path, key: str) -> Path:
    """Write a projector without one of its keys."""
    reader, writer = gguf.GGUFReader(source), gguf.GGUFWriter(target, "clip")
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture")) and field.name != key:
            kinds = [*field.types, None]
            writer.add_key_value(field.name, field.contents(), kinds[0], sub_type=kinds[1])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("clip.has_vision_encoder", "no projector of images"),
        ("clip.vision.image_mean", "image_mean.* has no 3 numbers"),
        ("clip.vision.image_std", "image_std.* has no 3 numbers"),
        ("clip.vision.patch_size", "patch_size"),
    ],
)
def test_what_would_end_llama_cpp_is_refused(
    store: Store, files: tuple[Path, Path], tmp_path: Path, key: str, said: str
) -> None:
    model, projector = files
    with pytest.raises(ModelFileError, match=said):
        store.add(model, "sees", projector=changed(projector, tmp_path / "bad.gguf", key))
    assert store.entries() == []


def test_others_are_no_projectors(store: Store, files: tuple[Path, Path], tmp_path: Path) -> None:
    model, projector = files
    with pytest.raises(ModelFileError, match="no projector of images"):
        store.add(model, "sees", projector=model)
    with pytest.raises(ModelFileError):
        store.add(projector, "sees")
    short = tmp_path / "short.gguf"
    short.write_bytes(projector.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="truncated"):
        store.add(model, "sees", projector=short)
    with pytest.raises(RequestError, match="no GGUF file"):
        store.add(tmp_path / "model.onnx", "sees", projector=projector)
    assert write_projector(tmp_path / "whole.gguf").exists()
