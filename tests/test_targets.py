"""Labels, FER+ votes and teachers are combined into the recipe's targets."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mien.data import Dataset, ferplus  # noqa: E402
from mien.errors import MienError  # noqa: E402
from mien.inference.model import open_model  # noqa: E402
from mien.training.distillation import fits, make_teacher, network_in, teacher_in_torch  # noqa: E402
from mien.training.pixels import to_input  # noqa: E402
from mien.training.recipes import recipe  # noqa: E402
from mien.training.targets import targets  # noqa: E402

HEADER = "Usage,Image name," + ",".join(ferplus.TAGS) + "\n"
VOTES = [[0, 6, 0, 0, 2, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 10], [5, 0, 0, 5, 0, 0, 0, 0, 0, 0]]


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    lines = "".join("Training,a.png," + ",".join(map(str, row)) + "\n" for row in VOTES)
    (tmp_path / ferplus.NAME).write_text(HEADER + lines)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 48, 48), dtype=np.uint8)
    usage = np.array(["Training", "PublicTest", "Training", "Training"])
    return Dataset(images, np.array([3, 0, 6, 1]), usage, source=str(tmp_path / "train.csv"))


ROWS = np.array([0, 2, 3])


def test_labels_alone_need_no_targets(dataset):
    assert targets(recipe("study/hybrid"), dataset, ROWS) is None


def test_votes_are_shared_among_the_seven_and_the_label_stands_where_there_are_none(dataset):
    found = targets(recipe("study/hybrid", labels="fer+"), dataset, ROWS)
    assert found is not None
    assert np.allclose(found[0], [0.25, 0, 0, 0.75, 0, 0, 0])
    assert np.allclose(found[1], np.eye(7)[6])
    assert np.allclose(found[2], [0, 0, 0, 0, 0.5, 0, 0.5])
    both = targets(recipe("study/hybrid", labels="both"), dataset, ROWS)
    assert np.allclose(both, (found + np.eye(7)[[3, 6, 1]]) / 2)


def test_a_teacher_has_its_share(dataset):
    found = targets(recipe("study/hybrid", teacher="hybrid+hybrid", distillation_weight=0.25), dataset, ROWS)
    opinion = open_model("hybrid").classify(dataset.images[ROWS], flip=True)
    assert np.allclose(found, 0.75 * np.eye(7)[[3, 6, 1]] + 0.25 * opinion)
    assert fits("hybrid", dataset)


def test_a_teacher_may_judge_each_view_as_the_network_gets_it(dataset):
    r = recipe("study/hybrid", teacher="hybrid", teacher_input="augmented")
    assert targets(r, dataset, ROWS) is None
    opinion = make_teacher(r)
    assert opinion is not None
    batch = to_input(torch.from_numpy(dataset.images[ROWS]), r.mean, r.std)
    assert np.allclose(opinion(batch), open_model("hybrid").classify(dataset.images[ROWS]), atol=1e-6)
    assert opinion(batch[:, :, ::2, ::2]).shape == (len(ROWS), 7)
    assert make_teacher(recipe("study/hybrid", teacher="hybrid")) is None


def test_a_teacher_read_back_into_torch_is_of_the_same_opinion(dataset):
    teacher = open_model("hybrid")
    opinion = teacher_in_torch(teacher, 3, torch.device("cpu"))(torch.from_numpy(dataset.images[ROWS]))
    assert np.allclose(opinion, teacher.classify(dataset.images[ROWS]), atol=0.03)


def test_a_teacher_in_8_bits_is_not_read_back_and_one_of_another_shape_is_refused():
    assert network_in(open_model("hybrid")) == "hybrid"
    assert network_in(open_model("nano")) == ""
    hybrid = open_model("hybrid")
    other = dataclasses.replace(hybrid, info=dataclasses.replace(hybrid.info, training={"recipe": "nano"}))
    with pytest.raises(MienError, match="not of the network 'nano'"):
        teacher_in_torch(other, 3, torch.device("cpu"))


def test_majority_is_more_than_half_of_what_counts():
    assert ferplus.majority(np.array(VOTES)).tolist() == [3, -1, -1]
    one_off = [[6, 0, 0, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 8, 2, 0]]
    assert ferplus.majority(np.array(one_off)).tolist() == [6, 7]


def test_missing_votes_are_asked_for(dataset, tmp_path):
    (tmp_path / ferplus.NAME).unlink()
    with pytest.raises(MienError, match="beside it; put FER"):
        targets(recipe("study/hybrid", labels="fer+"), dataset, ROWS)
