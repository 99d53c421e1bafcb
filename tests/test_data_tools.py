"""Exports of annotation tools: each gives the annotated faces with their labels."""

import csv
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.data import load
from mien.errors import MienError

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
NAMES = [f"photo_{i:02}.png" for i in range(14)]
LABELS = dict(zip(NAMES, SEVEN * 2, strict=True))
LEFT, TOP, RIGHT, BOTTOM = 40, 10, 100, 70  # of the face in each photo
WIDTH, HEIGHT = 120, 80


def light(label: str) -> int:
    """The gray of a face of that emotion."""
    return 30 + 30 * SEVEN.index(label)


def photos(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, label in LABELS.items():
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        pixels[TOP:BOTTOM, LEFT:RIGHT] = light(label)
        Image.fromarray(pixels).save(folder / name)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def cvat(root: Path, inner: Callable[[str], str]) -> None:
    photos(root / "images")
    images = (f'<image id="1" name="{name}" width="120" height="80">{inner(LABELS[name])}</image>' for name in NAMES)
    write(root / "annotations.xml", f"<annotations><version>1.1</version><meta/>{''.join(images)}</annotations>")


SIDES = f'xtl="{LEFT}" ytl="{TOP}" xbr="{RIGHT}" ybr="{BOTTOM}"'


def cvat_boxes(root: Path) -> None:
    cvat(root, lambda label: f'<box label="{label}" {SIDES}/>')


def cvat_attributes(root: Path) -> None:
    """All boxes are faces, whose emotion is an attribute."""
    cvat(root, lambda label: f'<box label="face" {SIDES}><attribute name="Emotion">{label}</attribute></box>')


def cvat_polygons(root: Path) -> None:
    points = f"{LEFT},{TOP};{RIGHT},{TOP + 20};{RIGHT - 30},{BOTTOM}"
    cvat(root, lambda label: f'<polygon label="{label}" points="{points}"/>')


def labelme(root: Path) -> None:
    photos(root)
    for name, label in LABELS.items():
        shape = {"label": label, "points": [[RIGHT, BOTTOM], [LEFT, TOP]], "shape_type": "rectangle", "flags": {}}
        line = {"label": "scratch", "points": [[0, 0], [5, 5]], "shape_type": "line"}
        about = {"version": "5.3.1", "flags": {}, "shapes": [shape, line], "imagePath": name, "imageData": None}
        write((root / name).with_suffix(".json"), about)


def labelme_elsewhere(root: Path) -> None:
    """In a folder of their own, with the path of another machine."""
    photos(root / "photos")
    for name, label in LABELS.items():
        shape = {"label": label, "points": [[LEFT, TOP], [RIGHT, BOTTOM]], "shape_type": "rectangle"}
        about = {"shapes": [shape], "imagePath": f"..\\photos\\{name}", "flags": None}
        write(root / "labels" / f"{name[:-4]}.json", about)


def supervisely(root: Path) -> None:
    photos(root / "first" / "img")
    write(root / "meta.json", {"classes": [{"title": name, "shape": "rectangle"} for name in SEVEN], "tags": []})
    for name, label in LABELS.items():
        face = {"classTitle": label, "geometryType": "rectangle",
                "points": {"exterior": [[LEFT, TOP], [RIGHT, BOTTOM]], "interior": []}}  # fmt: skip
        about = {"tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": [face]}
        write(root / "first" / "ann" / f"{name}.json", about)


VIA_RECT = {"name": "rect", "x": LEFT, "y": TOP, "width": RIGHT - LEFT, "height": BOTTOM - TOP}


def via_json(root: Path) -> None:
    photos(root)
    regions = {n: [{"shape_attributes": VIA_RECT, "region_attributes": {"emotion": {label: True, "other": False}}}]
               for n, label in LABELS.items()}  # fmt: skip
    pictures = {f"{n}99": {"filename": n, "size": 99, "regions": r, "file_attributes": {}} for n, r in regions.items()}
    write(root / "via_project.json", {"_via_settings": {}, "_via_img_metadata": pictures})


def via_csv(root: Path) -> None:
    photos(root)
    with (root / "via_region_data.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "file_size", "file_attributes", "region_count", "region_id",
                       "region_shape_attributes", "region_attributes"])  # fmt: skip
        for name, label in LABELS.items():
            rows.writerow([name, 99, "{}", 1, 0, json.dumps(VIA_RECT), json.dumps({"emotion": label})])


PERCENT = {"x": 100 * LEFT / WIDTH, "y": 100 * TOP / HEIGHT, "width": 100 * (RIGHT - LEFT) / WIDTH,
           "height": 100 * (BOTTOM - TOP) / HEIGHT, "rotation": 0}  # fmt: skip


def label_studio(root: Path) -> None:
    """Boxes in percent; the names of uploaded files have eight digits before them."""
    photos(root)
    tasks = []
    for name, label in LABELS.items():
        result = {"type": "rectanglelabels", "from_name": "label", "value": {**PERCENT, "rectanglelabels": [label]}}
        tasks.append({"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"}, "annotations": [{"result": [result]}]})
    write(root / "project-1-at-2026.json", tasks)


def label_studio_min(root: Path) -> None:
    photos(root)
    tasks = [
        {"image": f"/data/local-files/?d=my%20faces/{name}", "id": i, "annotator": 1,
         "label": [{**PERCENT, "rectanglelabels": [label]}]}
        for i, (name, label) in enumerate(LABELS.items())
    ]  # fmt: skip
    write(root / "project-1-min.json", tasks)


def fiftyone(root: Path) -> None:
    photos(root / "data")
    box = [LEFT / WIDTH, TOP / HEIGHT, (RIGHT - LEFT) / WIDTH, (BOTTOM - TOP) / HEIGHT]
    labels = {n[:-4]: [{"label": SEVEN.index(label), "bounding_box": box}] for n, label in LABELS.items()}
    write(root / "labels.json", {"classes": SEVEN, "labels": labels})


def ground_truth(root: Path) -> None:
    photos(root / "images")
    lines = []
    for name, label in LABELS.items():
        box = {"class_id": SEVEN.index(label), "left": LEFT, "top": TOP, "width": RIGHT - LEFT, "height": BOTTOM - TOP}
        about = {"class-map": {str(i): each for i, each in enumerate(SEVEN)}, "type": "groundtruth/object-detection"}
        lines.append(json.dumps({"source-ref": f"s3://bucket/{name}", "faces": {"annotations": [box]},
                                 "faces-metadata": about}))  # fmt: skip
    write(root / "output.manifest", "\n".join(lines))


@pytest.mark.parametrize("export", [cvat_boxes, cvat_attributes, cvat_polygons, labelme, labelme_elsewhere, supervisely,
                                    via_json, via_csv, label_studio, label_studio_min, fiftyone, ground_truth],
                         ids=lambda export: export.__name__)  # fmt: skip
def test_faces_are_cut_by_the_boxes_of_a_tool_and_labeled_as_there(export: Callable[[Path], None], tmp_path: Path):
    export(tmp_path)
    dataset = load(tmp_path, cache=False)
    assert dataset.classes == SEVEN
    assert np.bincount(dataset.labels).tolist() == [2] * 7
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert abs(float(np.median(image)) - light(SEVEN[label])) < 2
    assert not any("not used" in line for line in dataset.decisions)


def cvat_tags(root: Path) -> None:
    cvat(root, lambda label: f'<tag label="{label}"/>')


def labelme_flags(root: Path) -> None:
    photos(root)
    for name, label in LABELS.items():
        flags = {each: each == label for each in SEVEN}
        write((root / name).with_suffix(".json"), {"flags": flags, "shapes": [], "imagePath": name})


def label_studio_choices(root: Path) -> None:
    photos(root)
    tasks = [
        {"data": {"image": f"/data/upload/1/0a1b2c3d-{name}"},
         "annotations": [{"result": [{"type": "choices", "from_name": "mood", "value": {"choices": [label]}}]}]}
        for name, label in LABELS.items()
    ]  # fmt: skip
    write(root / "export.json", tasks)


def label_studio_csv(root: Path) -> None:
    photos(root)
    rows = (f"{i},1,{label},/data/upload/1/0a1b2c3d-{name},1.5" for i, (name, label) in enumerate(LABELS.items()))
    write(root / "project-1.csv", "\n".join(["annotation_id,annotator,choice,image,lead_time", *rows]))


def fiftyone_classes(root: Path) -> None:
    photos(root / "data")
    labels = {name[:-4]: SEVEN.index(label) for name, label in LABELS.items()}
    write(root / "labels.json", {"classes": SEVEN, "labels": labels})


def ground_truth_classes(root: Path) -> None:
    photos(root / "images")
    lines = (
        json.dumps({"source-ref": f"s3://b/{name}", "mood": SEVEN.index(label), "mood-metadata": {"class-name": label}})
        for name, label in LABELS.items()
    )
    write(root / "output.manifest", "\n".join(lines))


def json_a_picture(root: Path) -> None:
    photos(root)
    for name, label in LABELS.items():
        write((root / name).with_suffix(".json"), {"emotion": label, "age": 30, "camera": None})


def web_dataset(root: Path) -> None:
    """Shards that were unpacked: a .cls file a picture."""
    photos(root)
    for name, label in LABELS.items():
        write((root / name).with_suffix(".cls"), f"{SEVEN.index(label)}\n")


@pytest.mark.parametrize("export", [cvat_tags, labelme_flags, label_studio_choices, label_studio_csv, fiftyone_classes,
                                    ground_truth_classes, json_a_picture, web_dataset],
                         ids=lambda export: export.__name__)  # fmt: skip
def test_whole_pictures_are_labeled_as_in_a_tool(export: Callable[[Path], None], tmp_path: Path):
    export(tmp_path)
    dataset = load(tmp_path, cache=False)
    assert dataset.classes == SEVEN
    assert np.bincount(dataset.labels).tolist() == [2] * 7
    brightest = dataset.images.max(axis=(1, 2))
    assert [int(light) for light in brightest] == [light(SEVEN[label]) for label in dataset.labels]


def test_subsets_of_cvat_are_parts(tmp_path: Path):
    cvat_boxes(tmp_path)
    xml = tmp_path / "annotations.xml"
    parts = iter(["Train"] * 7 + ["Validation"] * 7)
    text = xml.read_text()
    for name in NAMES:
        text = text.replace(f'name="{name}"', f'name="{name}" subset="{next(parts)}"')
    xml.write_text(text)
    dataset = load(tmp_path, cache=False)
    assert sorted(dataset.usage.tolist()) == ["PublicTest"] * 7 + ["Training"] * 7


def test_the_label_of_most_annotators_counts(tmp_path: Path):
    label_studio_choices(tmp_path)
    tasks = json.loads((tmp_path / "export.json").read_text())
    other = {"result": [{"type": "choices", "from_name": "mood", "value": {"choices": ["neutral"]}}]}
    tasks[0]["annotations"] += [tasks[0]["annotations"][0], other]
    tasks[1]["annotations"].append({"was_cancelled": True, "result": other["result"]})
    write(tmp_path / "export.json", tasks)
    dataset = load(tmp_path, cache=False)
    assert np.bincount(dataset.labels).tolist() == [2] * 7
    assert any("several labels" in line for line in dataset.decisions)


def test_classes_of_one_s_own_in_a_tool_s_attribute(tmp_path: Path):
    via_csv(tmp_path)
    file = tmp_path / "via_region_data.csv"
    text = file.read_text().replace('""emotion""', '""tension""')
    for i, label in enumerate(SEVEN):
        text = text.replace(label, "calm" if i % 2 else "tense")
    file.write_text(text)
    dataset = load(tmp_path, cache=False)
    assert (dataset.classes, np.bincount(dataset.labels).tolist()) == (("calm", "tense"), [6, 8])


def test_what_a_tool_left_without_label_is_counted(tmp_path: Path):
    labelme(tmp_path)
    for name in NAMES[:2]:
        write((tmp_path / name).with_suffix(".json"), {"flags": {}, "shapes": [], "imagePath": name})
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == 12
    assert dataset.left_out == {"rows without a label": 2, "pictures that no list names": 2}


@pytest.mark.parametrize("text", ["<annotations><image", "{", "[1, 2]", '{"shapes": 3}', '{"labels": {"a": 1}}'])
def test_a_broken_export_is_refused_in_a_line(text: str, tmp_path: Path):
    photos(tmp_path)
    write(tmp_path / ("annotations.xml" if text.startswith("<") else "labels.json"), text)
    with pytest.raises(MienError) as refused:
        load(tmp_path, cache=False)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("column", ["file_name", "image"])
def test_a_parquet_file_of_names_and_labels_is_a_list(column: str, tmp_path: Path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    photos(tmp_path / "train")
    boxes = [{"x": LEFT, "y": TOP, "width": RIGHT - LEFT, "height": BOTTOM - TOP}] * len(NAMES)
    table = arrow.table({column: NAMES, "label": [LABELS[name] for name in NAMES], "face": boxes})
    parquet.write_table(table, tmp_path / "train" / "metadata.parquet")
    dataset = load(tmp_path, cache=False)
    assert np.bincount(dataset.labels).tolist() == [2] * 7
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert abs(float(np.median(image)) - light(SEVEN[label])) < 2


@pytest.mark.parametrize(
    ("name", "emotions"),
    [("1001_DFA_{}_XX.png", ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]),
     ("01-01-{}-01-02-01-07_frame12.png", ["01", "02", "03", "04", "05", "06", "07", "08"])],
)  # fmt: skip
def test_frames_of_films_are_labeled_by_the_films_names(name: str, emotions: list[str], tmp_path: Path):
    for code in emotions:
        Image.new("L", (48, 48), 90).save(tmp_path / name.format(code))
        Image.new("L", (48, 48), 91).save(tmp_path / name.format(code).replace("1001", "1002").replace("-07_", "-08_"))
    dataset = load(tmp_path, cache=False)
    assert np.bincount(dataset.labels).tolist() == [2] * len(emotions)
    assert set(dataset.classes) <= {*SEVEN, "calm"}
    assert any("the names tell 2 people" in line for line in dataset.decisions)


def test_a_tar_of_pictures_is_to_be_unpacked(tmp_path: Path):
    web_dataset(tmp_path / "unpacked")
    with tarfile.open(tmp_path / "train-000000.tar", "w") as archive:
        for file in sorted((tmp_path / "unpacked").iterdir()):
            archive.add(file, file.name)
    with pytest.raises(MienError, match="unpack it"):
        load(tmp_path / "train-000000.tar", cache=False)
