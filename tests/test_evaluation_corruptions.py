"""Corruptions keep shape and dtype, are deterministic, and get worse with severity."""

import numpy as np
import pytest

from mien.data.synthetic.generate import draw_face
from mien.errors import MienError
from mien.evaluation.corruptions import KINDS, SEVERITIES, corrupt, table
from mien.labels import EMOTIONS

FACES = np.stack([draw_face(emotion, seed) for seed in range(2) for emotion in EMOTIONS])


@pytest.mark.parametrize("kind", KINDS)
def test_more_is_worse(kind):
    before = FACES.copy()
    worse = [corrupt(FACES, kind, severity) for severity in SEVERITIES]
    assert all(w.shape == FACES.shape and w.dtype == np.uint8 for w in worse)
    harm = [np.abs(w.astype(float) - FACES).mean() for w in worse]
    assert harm == sorted(harm)
    assert harm[0] > 0
    assert np.array_equal(corrupt(FACES, kind, 3), worse[2])
    assert np.array_equal(FACES, before)


@pytest.mark.parametrize(("kind", "severity", "says"), [("fog", 1, "no corruption 'fog'"), ("blur", 6, "1 to 5")])
def test_what_there_is_not_is_refused(kind, severity, says):
    with pytest.raises(MienError, match=says):
        corrupt(FACES, kind, severity)


def test_table_has_a_row_a_corruption():
    text = table({"some": {"blur": [0.5, 0.4, 0.3, 0.2, 0.1, 0.1]}})
    assert "| some | blur | 50.0 | 40.0 | 30.0 | 20.0 | 10.0 | 10.0 | 22.0 |" in text
