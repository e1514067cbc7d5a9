"""Named tensors: what fits goes through, and what does not is named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import write_constant, write_reshape, write_sum, write_words

from edge_rt.backends.base import LooseArray
from edge_rt.backends.onnx.tasks import OnnxTensors
from edge_rt.core.errors import EngineError, ModelFileError, RequestError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnnxTensors]:
    path = write_sum(tmp_path_factory.mktemp("sum") / "model.onnx")
    with closing(OnnxTensors(path, threads=1)) as model:
        yield model


def given(**changes: Any) -> dict[str, LooseArray]:
    """Arrays that fit, as they come without a type, with `changes` put over them."""
    usual: dict[str, Any] = {"left": [[1, 2]], "right": [[0.5, 4]], "count": [21]}
    arrays = {name: np.array(value) for name, value in (usual | changes).items()}
    return {name: LooseArray(array, True) for name, array in arrays.items()}


def test_outputs_come_by_name(model: OnnxTensors) -> None:
    found = model.run(model.check(given()))
    assert {name: value.tolist() for name, value in found.items()} == {
        "sum": [[1.5, 6.0]],
        "times": [42],
    }
    assert found["sum"].dtype == np.float32


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_sizes_that_the_model_leaves_open_are_open(model: OnnxTensors, rows: int) -> None:
    arrays = given(left=np.ones((rows, 2)), right=np.ones((rows, 2)))
    assert model.run(model.check(arrays))["sum"].shape == (rows, 2)


@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        (
            {"middle": [1.0]},
            "inputs.middle",
            "no such input, it takes left float32 (any, 2)",
        ),
        ({"left": [1.0, 2.0]}, "inputs.left", "expected left float32 (any, 2), got the shape (2)"),
        ({"left": [[1, 2, 3]]}, "inputs.left", "got the shape (1, 3)"),
        ({"count": [1, 2]}, "inputs.count", "expected count int64 (1), got the shape (2)"),
        ({"count": [0.5]}, "inputs.count", "expected count int64 (1), got numbers that it cannot"),
        ({"left": [[1, 2]] * 2}, "inputs.right", "its size of 'rows' is 1, that of `inputs.left`"),
    ],
)
def test_what_does_not_fit_is_named(
    model: OnnxTensors, changes: dict[str, Any], param: str, said: str
) -> None:
    with pytest.raises(RequestError) as caught:
        model.check(given(**changes))
    assert caught.value.param == param
    assert said in str(caught.value)
    assert f"`{param}`" in str(caught.value)


def test_what_is_missing_is_named(model: OnnxTensors) -> None:
    arrays = given()
    del arrays["right"]
    with pytest.raises(RequestError, match=r"`inputs\.right`: is missing"):
        model.check(arrays)


def test_an_array_that_says_its_type_is_not_made_another(model: OnnxTensors) -> None:
    arrays = given() | {"count": LooseArray(np.array([1], np.int32), False)}
    with pytest.raises(RequestError, match=r"expected count int64 \(1\), got int32"):
        model.check(arrays)


def test_whole_numbers_written_with_a_point_are_whole(model: OnnxTensors) -> None:
    assert model.check(given(count=[3.0]))["count"].tolist() == [3]


def test_a_number_too_large_for_the_type_is_not_made_smaller(model: OnnxTensors) -> None:
    with pytest.raises(RequestError, match=r"inputs\.count"):
        model.check(given(count=[1e30]))


def test_the_only_input_needs_no_name(tmp_path: Path) -> None:
    with closing(OnnxTensors(write_reshape(tmp_path / "model.onnx"), threads=1)) as model:
        arrays = model.check({"": LooseArray(np.arange(6.0), True)})
        assert model.run(arrays)["y"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_of_several_inputs_one_has_to_be_named(model: OnnxTensors) -> None:
    with pytest.raises(RequestError, match=r"it takes left .*, right .*, count") as caught:
        model.check({"": LooseArray(np.zeros(1), True)})
    assert caught.value.param == "input"


def test_a_model_may_have_no_inputs(tmp_path: Path) -> None:
    with closing(OnnxTensors(write_constant(tmp_path / "model.onnx"), threads=1)) as model:
        assert model.run(model.check({}))["y"].tolist() == [1.0, 2.0]
        with pytest.raises(RequestError, match="it takes none"):
            model.check({"x": LooseArray(np.zeros(1), True)})


def test_what_only_running_shows_is_the_requests_fault(tmp_path: Path) -> None:
    with closing(OnnxTensors(write_reshape(tmp_path / "model.onnx"), threads=1)) as model:
        arrays = model.check({"x": LooseArray(np.arange(7.0), True)})
        with pytest.raises(RequestError, match=r"`inputs`: the model cannot run on these: "):
            model.run(arrays)


@contextmanager
def stopped(stop: Callable[[], None]) -> Generator[None]:
    """Stops a pass from another thread, perhaps before it has begun."""
    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        yield
    except Exception as error:
        raise EngineError("stopped") from error
    finally:
        stopping.join()


def test_a_model_of_texts_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"'x' is a tensor\(string\)"):
        OnnxTensors(write_words(tmp_path / "model.onnx"), threads=1)


def test_threads_change_between_runs(tmp_path: Path) -> None:
    with closing(OnnxTensors(write_sum(tmp_path / "model.onnx"), threads=1)) as model:
        model.set_threads(2)
        assert model.run(model.check(given()))["times"].tolist() == [42]
