"""Input normalization: ranges, invariance to lighting, exactness."""

import numpy as np
import pytest

from mien.errors import MienError
from mien.inference.normalization import KINDS, normalize_input


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(40, 200, (9, 48, 48)).astype(np.uint8)


def test_none_is_the_faces_themselves(faces):
    assert normalize_input(faces, "none") is faces


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_dtype_stay_and_each_face_stands_for_itself(faces, kind):
    normalized = normalize_input(faces, kind)
    assert normalized.shape == faces.shape
    assert normalized.dtype == np.uint8
    one_by_one = np.concatenate([normalize_input(faces[i : i + 1], kind) for i in range(len(faces))])
    assert np.array_equal(normalized, one_by_one)
    assert normalize_input(faces[:0], kind).shape == (0, 48, 48)


def test_percentile_is_the_stretch_between_the_1st_and_99th_percentile(faces):
    for face, normalized in zip(faces, normalize_input(faces, "percentile"), strict=True):
        low, high = np.percentile(face, [1, 99], method="inverted_cdf")
        expected = np.clip((face.astype(float) - low) * 255 / (high - low), 0, 255)
        assert np.abs(normalized - expected).max() <= 0.5


@pytest.mark.parametrize("kind", ["percentile", "standardize", "equalize"])
def test_other_light_gives_nearly_the_same_face(faces, kind):
    plain = normalize_input(faces, kind).astype(int)
    other = np.rint(faces * 0.5 + 60).astype(np.uint8)
    assert np.abs(normalize_input(other, kind) - plain).mean() < 4


def test_standardize_has_the_mean_and_deviation_it_promises():
    faces = np.random.default_rng(1).normal(90, 12, (4, 48, 48)).clip(0, 255).astype(np.uint8)
    normalized = normalize_input(faces, "standardize").astype(float)
    assert np.abs(normalized.mean(axis=(1, 2)) - 127.5).max() < 1
    assert np.abs(normalized.std(axis=(1, 2)) - 50).max() < 1.5


def test_equalize_spreads_the_levels_evenly(faces):
    normalized = normalize_input(faces, "equalize")
    assert normalized.min() == 0
    assert normalized.max() == 255
    assert abs(float(normalized.mean()) - 127.5) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_of_one_level_is_no_error(kind):
    assert np.isfinite(normalize_input(np.full((1, 48, 48), 77, np.uint8), kind)).all()


def test_another_kind_is_refused_by_name():
    with pytest.raises(MienError, match="no input normalization 'bright'; there are none, percentile"):
        normalize_input(np.zeros((1, 48, 48), np.uint8), "bright")


def test_adaptive_leaves_faces_in_usual_light_and_mends_dim_and_flat_ones():
    usual = np.random.default_rng(2).normal(128, 45, (5, 48, 48)).clip(0, 255).astype(np.uint8)
    assert np.array_equal(normalize_input(usual, "adaptive"), usual)
    flat = np.rint(usual * 0.3 + 90).astype(np.uint8)
    assert np.array_equal(normalize_input(flat, "adaptive"), normalize_input(flat, "percentile"))
    dim = np.rint(255 * (usual / 255) ** 3).astype(np.uint8)
    brightened = normalize_input(dim, "adaptive").astype(float)
    assert (brightened.mean(axis=(1, 2)) > 1.5 * dim.mean(axis=(1, 2))).all()
    assert (brightened.mean(axis=(1, 2)) < 128).all()
    assert not normalize_input(np.zeros((1, 48, 48), np.uint8), "adaptive").any()
