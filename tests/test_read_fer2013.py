"""Reading real FER2013 images as photos: the pipeline loses almost none of the classifier's accuracy."""

from pathlib import Path

import numpy as np
import pytest

from mien import Reader
from mien.data import load
from mien.inference.model_file import shipped


@pytest.mark.skipif(not shipped(), reason="no model is shipped with this copy")
def test_finding_and_cutting_out_faces_costs_little_accuracy_on_tight_pictures(fer2013: Path) -> None:
    dataset = load(fer2013)
    rows = np.flatnonzero((dataset.usage == "PublicTest") & (dataset.labels >= 0))[::4]
    images, labels = dataset.images[rows], dataset.labels[rows]
    reader = Reader()
    readings = list(reader.read_many(images))
    found = np.array([len(faces) > 0 for faces in readings])
    assert found.mean() > 0.97
    names = dict(enumerate(dataset.classes))
    truth = np.array([names[label] for label in labels])
    through = np.array([faces[0].emotion if faces else "" for faces in readings])
    plain = np.array([reader.model.classes[best] for best in reader.classify(images).argmax(axis=1)])
    lost = (plain == truth)[found].mean() - (through == truth)[found].mean()
    assert lost < 0.02, f"{lost:.1%} of accuracy lost"
    as_faces = [faces[0].emotion for faces in reader.read_many(images[:50], already_cropped=True)]
    assert as_faces == plain[:50].tolist()
