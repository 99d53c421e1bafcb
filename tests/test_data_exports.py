"""Exports of annotation tools in their less plain forms: what is cut, what is passed over, and what is said of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mien.data import load
from mien.errors import MienError

EMOTIONS = ("angry", "happy", "sad", "neutral")
NAMES = [f"photo_{i:02}.png" for i in range(12)]
LABELS = dict(zip(NAMES, EMOTIONS * 3, strict=True))
LEFT, TOP, RIGHT, BOTTOM = 40, 10, 100, 70  # of the face in each photo
WIDTH, HEIGHT = 120, 80
BOX = [LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP]
CATEGORIES = [{"id": i, "name": name} for i, name in enumerate(EMOTIONS)]


def light(label: str) -> int:
    """The gray of a face of that emotion."""
    return 60 + 40 * EMOTIONS.index(label)


def photo(path: Path, label: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[TOP:BOTTOM, LEFT:RIGHT] = light(label)
    Image.fromarray(pixels).save(path)


def photos(folder: Path) -> None:
    for name, label in LABELS.items():
        photo(folder / name, label)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def lines(path: Path, record: Callable[[str, str], dict[str, Any]]) -> None:
    photos(path.parent)
    write(path, "\n".join(json.dumps(record(name, label)) for name, label in LABELS.items()))


def cvat(root: Path, inner: Callable[[str], str]) -> None:
    photos(root / "images")
    images = (f'<image name="{name}">{inner(label)}</image>' for name, label in LABELS.items())
    write(root / "annotations.xml", f"<annotations>{''.join(images)}</annotations>")


def sides(left: float, top: float, right: float, bottom: float) -> str:
    return f'xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}"'


def cvat_turned(root: Path) -> None:
    """A high box that a quarter turn about its middle makes a wide one."""
    cvat(root, lambda label: f'<box label="{label}" {sides(60, 0, 80, 80)} rotation="90"/>')


def cvat_mask(root: Path) -> None:
    cvat(root, lambda label: f'<mask label="{label}" rle="0, 9" left="40" top="10" width="60" height="60"/>')


def cvat_ellipse(root: Path) -> None:
    cvat(root, lambda label: f'<ellipse label="{label}" cx="70" cy="40" rx="30" ry="30"/>')


def cvat_beside_people(root: Path) -> None:
    """Whole bodies are marked, too, and faces alone have the attribute."""
    face = f'<box label="face" {sides(LEFT, TOP, RIGHT, BOTTOM)}><attribute name="mood">'
    body = f'<box label="person" {sides(0, 0, WIDTH, HEIGHT)}/>'
    cvat(root, lambda label: f"{face}{label}</attribute></box>{body}")


def percent(**more: Any) -> dict[str, Any]:
    return {"x": 100 * LEFT / WIDTH, "y": 100 * TOP / HEIGHT, "width": 50.0, "height": 75.0, "rotation": 0, **more}


def studio(root: Path, address: str, *results: Callable[[str], dict[str, Any]]) -> None:
    photos(root)
    tasks = [
        {"data": {"page": "https://host/about.html", "image": address.format(name)},
         "annotations": [{"result": [result(label) for result in results]}]}
        for name, label in LABELS.items()
    ]  # fmt: skip
    write(root / "export.json", tasks)


def of_box(label: str) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {"from_name": "label", "value": percent(rectanglelabels=[label]), **size}


def studio_turned(root: Path) -> None:
    """Turned by a quarter about its corner, which is the upper right one of the face then."""

    def turned(label: str) -> dict[str, Any]:
        value = {"x": 100 * RIGHT / WIDTH, "y": 12.5, "width": 50.0, "height": 75.0, "rotation": 90}
        return {**of_box(label), "value": {**value, "rectanglelabels": [label]}}

    studio(root, "/data/upload/1/0a1b2c3d-{}", turned)


def studio_ellipse(root: Path) -> None:
    value = {"x": 100 * 70 / WIDTH, "y": 50, "radiusX": 25, "radiusY": 37.5}
    studio(root, "{}", lambda label: {**of_box(""), "value": {**value, "ellipselabels": [label]}})


def studio_signed(root: Path) -> None:
    """Addresses with a signature, points beside boxes, and relations between them."""
    studio(root, "https://host/my%20faces/{}?X-Signature=a/b.c", of_box,
           lambda _: {"from_name": "eyes", "value": {"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["eye"]}},
           lambda _: {"type": "relation", "from_id": "a", "to_id": "b"})  # fmt: skip


def studio_csv(root: Path) -> None:
    photos(root)
    rows = ["annotation_id,annotator,id,image,label,lead_time"]
    for i, (name, label) in enumerate(LABELS.items()):
        cell = json.dumps([percent(rectanglelabels=[label])]).replace('"', '""')
        rows.append(f'{i},1,{i},/data/upload/1/0a1b2c3d-{name},"{cell}",2.5')
    write(root / "project.csv", "\n".join(rows))


def labelme(root: Path, shape: Callable[[str], dict[str, Any]], folder: str = "") -> None:
    photos(root)
    for name, label in LABELS.items():
        content = {"shapes": [shape(label)], "imagePath": name, "flags": {}}
        write(root / folder / f"{name[:-4]}.json", content)


def of_face(label: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "points": [[LEFT, TOP], [RIGHT, BOTTOM]], "shape_type": "rectangle", **more}


def labelme_flags(root: Path) -> None:
    """Beside the emotion another flag is ticked."""
    labelme(root, lambda label: of_face("face", flags={"checked": True} | {e: e == label for e in EMOTIONS}))


def labelme_description(root: Path) -> None:
    labelme(root, lambda label: of_face("face", description=label))


def supervisely_bitmap(root: Path) -> None:
    import base64
    import io
    import zlib

    photos(root / "first" / "img")
    mask = io.BytesIO()
    Image.new("1", (60, 60), 1).save(mask, "png")
    data = base64.b64encode(zlib.compress(mask.getvalue())).decode()
    for name, label in LABELS.items():
        thing = {"classTitle": label, "geometryType": "bitmap", "bitmap": {"data": data, "origin": [LEFT, TOP]}}
        write(root / "first" / "ann" / f"{name}.json", {"size": {"width": WIDTH}, "objects": [thing]})


def via_1_csv(root: Path) -> None:
    """The header of version 1 begins with a number sign."""
    photos(root)
    shape = {"name": "rect", "x": LEFT, "y": TOP, "width": 60, "height": 60}

    def quoted(value: dict[str, Any]) -> str:
        return '"' + json.dumps(value).replace('"', '""') + '"'

    head = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    rows = [f'{n},9,"{{}}",1,0,{quoted(shape)},{quoted({"emotion": label})}' for n, label in LABELS.items()]
    write(root / "via_region_data.csv", "\n".join([head, *rows]))


def via_3(root: Path) -> None:
    photos(root)
    ids = {name: str(i) for i, name in enumerate(NAMES)}
    project = {
        "attribute": {"1": {"aname": "emotion", "options": {str(i): name for i, name in enumerate(EMOTIONS)}}},
        "file": {i: {"fname": name} for name, i in ids.items()},
        "view": {i: {"fid_list": [i]} for i in ids.values()},
        "metadata": {f"{i}_a": {"vid": i, "xy": [2, *BOX], "av": {"1": str(EMOTIONS.index(LABELS[name]))}}
                     for name, i in ids.items()},
    }  # fmt: skip
    write(root / "project.json", project)


def fiftyone_samples(root: Path) -> None:
    photos(root / "data")
    box = [LEFT / WIDTH, TOP / HEIGHT, 0.5, 0.75]

    def field(label: str) -> dict[str, Any]:
        return {"_cls": "Detections", "detections": [{"_cls": "Detection", "label": label, "bounding_box": box}]}

    samples = [{"filepath": f"data/{name}", "tags": [], "ground_truth": field(label), "predictions": field("sad")}
               for name, label in LABELS.items()]  # fmt: skip
    write(root / "samples.json", {"samples": samples})


def datumaro(root: Path) -> None:
    photos(root / "images" / "default")
    items = [
        {"id": name[:-4], "image": {"path": name},
         "annotations": [{"type": "bbox", "label_id": EMOTIONS.index(label), "bbox": BOX, "attributes": {}}]}
        for name, label in LABELS.items()
    ]  # fmt: skip
    content = {"categories": {"label": {"labels": [{"name": name} for name in EMOTIONS]}}, "items": items}
    write(root / "annotations" / "default.json", content)


def coco(root: Path, categories: list[dict[str, Any]], annotation: Callable[[str], dict[str, Any]], **image: Any):
    photos(root / "images")
    images = [{"id": i, "file_name": name} for i, name in enumerate(NAMES)]
    annotations = [{"image_id": i, "category_id": 0, **annotation(LABELS[name])} for i, name in enumerate(NAMES)]
    write(root / "labels.json", {"images": images, "annotations": annotations, "categories": categories})


def coco_attributes(root: Path) -> None:
    categories = [{"id": 0, "name": "face"}]
    coco(root, categories, lambda label: {"bbox": BOX, "attributes": {"emotion": label, "occluded": False}})


def coco_polygons(root: Path) -> None:
    outline = [LEFT, TOP, RIGHT, TOP, RIGHT, BOTTOM, LEFT, BOTTOM]
    coco(root, CATEGORIES, lambda label: {"category_id": EMOTIONS.index(label), "segmentation": [outline]})


def lvis(root: Path) -> None:
    coco(root, CATEGORIES, lambda label: {"category_id": EMOTIONS.index(label), "bbox": BOX})
    file = root / "labels.json"
    file.write_text(file.read_text().replace('"file_name": "', '"coco_url": "http://images.cocodataset.org/train2017/'))


def voc_attributes(root: Path) -> None:
    photos(root)
    for name, label in LABELS.items():
        said = f"<attributes><attribute><name>emotion</name><value>{label}</value></attribute></attributes>"
        box = "".join(
            f"<{s}>{v}</{s}>" for s, v in zip(("xmin", "ymin", "xmax", "ymax"), (40, 10, 100, 70), strict=True)
        )
        thing = f"<object><name>face</name><bndbox>{box}</bndbox>{said}</object>"
        write(root / f"{name[:-4]}.xml", f"<annotation><filename>{name}</filename>{thing}</annotation>")


def make_sense(root: Path) -> None:
    photos(root)
    write(root / "labels.csv", "\n".join(f"{label},40,10,60,60,{n},120,80" for n, label in LABELS.items()))


def vertex(root: Path) -> None:
    corners = {"xMin": LEFT / WIDTH, "yMin": TOP / HEIGHT, "xMax": RIGHT / WIDTH, "yMax": BOTTOM / HEIGHT}
    lines(root / "data.jsonl", lambda name, label: {
        "imageGcsUri": f"gs://b/{name}", "boundingBoxAnnotations": [{"displayName": label, **corners}]})  # fmt: skip


def prodigy_spans(root: Path) -> None:
    """The width and height of the picture stand beside those of the region."""
    span = dict(zip(("x", "y", "width", "height"), BOX, strict=True))
    lines(root / "tasks.jsonl", lambda name, label: {
        "image": name, "width": WIDTH, "height": HEIGHT, "answer": "accept", "_view_id": "image_manual",
        "options": [{"id": e, "text": e} for e in EMOTIONS], "spans": [{"label": label, "points": [[1, 2]], **span}]},
    )  # fmt: skip


def faces_a_picture(root: Path) -> None:
    photos(root)
    for name, label in LABELS.items():
        write(root / f"{name[:-4]}.json", [dict(zip("xywh", BOX, strict=True)) | {"emotion": label}])


CUT = [cvat_turned, cvat_mask, cvat_ellipse, cvat_beside_people, studio_turned, studio_ellipse, studio_signed,
       studio_csv, labelme_flags, labelme_description, supervisely_bitmap, via_1_csv, via_3, fiftyone_samples, datumaro,
       coco_attributes, coco_polygons, lvis, voc_attributes, make_sense, vertex, prodigy_spans,
       faces_a_picture]  # fmt: skip


@pytest.mark.parametrize("export", CUT, ids=lambda export: export.__name__)
def test_faces_are_cut_where_a_tool_has_marked_them(export: Callable[[Path], None], tmp_path: Path):
    export(tmp_path)
    dataset = load(tmp_path, cache=False)
    assert sorted(dataset.classes) == sorted(EMOTIONS)
    assert np.bincount(dataset.labels).tolist() == [3] * 4
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert abs(float(np.median(image)) - light(dataset.classes[label])) < 2


def test_corners_of_auto_ml_without_a_header(tmp_path: Path):
    photos(tmp_path)
    parts = ["TRAIN"] * 8 + ["TEST"] * 4
    rows = (f"{part},gs://b/{name},{label},0.3333,0.125,,,0.8333,0.875,,"
            for part, (name, label) in zip(parts, LABELS.items(), strict=True))  # fmt: skip
    write(tmp_path / "import.csv", "\n".join(rows))
    dataset = load(tmp_path, cache=False)
    assert (dataset.images.min(axis=(1, 2)) > 0).all()
    assert sorted(set(dataset.usage.tolist())) == ["PrivateTest", "Training"]


def test_four_numbers_without_a_header_are_asked_about(tmp_path: Path):
    photos(tmp_path)
    write(tmp_path / "labels.csv", "\n".join(f"{n},40,10,100,70,{label}" for n, label in LABELS.items()))
    with pytest.raises(MienError, match="no header"):
        load(tmp_path, cache=False)


def test_what_prodigy_s_user_rejected_is_left_out(tmp_path: Path):
    lines(tmp_path / "tasks.jsonl", lambda name, label: {
        "image": name, "label": label, "_view_id": "classification", "_task_hash": 1,
        "answer": "reject" if name == NAMES[0] else "accept"})  # fmt: skip
    dataset = load(tmp_path, cache=False)
    assert (len(dataset), dataset.left_out["tasks that were rejected or passed over (Prodigy)"]) == (11, 1)


def test_boxes_of_two_people_around_a_face_are_one_face(tmp_path: Path):
    studio(tmp_path, "{}", of_box)
    tasks = json.loads((tmp_path / "export.json").read_text())
    other = of_box(LABELS[NAMES[0]])
    other["value"] = {**other["value"], "x": other["value"]["x"] + 1}
    tasks[0]["annotations"].append({"result": [other]})
    write(tmp_path / "export.json", tasks)
    assert len(load(tmp_path, cache=False)) == 12


def test_faces_that_are_marked_with_a_brush_are_counted(tmp_path: Path):
    brush = {"from_name": "label", "value": {"format": "rle", "rle": [1], "brushlabels": ["sad"]}}
    studio(tmp_path, "{}", of_box, lambda _: brush)
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == 12
    assert dataset.left_out == {"annotations of the kind brush, which has no box": 12}


def test_whole_pictures_among_boxes_are_told(tmp_path: Path):
    cvat(tmp_path, lambda label: f'<tag label="{label}"/>' + (
        f'<box label="face" {sides(LEFT, TOP, RIGHT, BOTTOM)}/>' if label != "sad" else ""))  # fmt: skip
    dataset = load(tmp_path, cache=False)
    assert any("3 rows have no box" in line for line in dataset.decisions)


def test_a_class_number_that_an_export_does_not_name_is_counted(tmp_path: Path):
    photos(tmp_path / "data")
    labels = {name[:-4]: EMOTIONS.index(label) for name, label in LABELS.items()}
    write(tmp_path / "labels.json", {"classes": EMOTIONS, "labels": {**labels, NAMES[0][:-4]: -1}})
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == 11
    assert dataset.left_out["annotations of a class number that the export does not name"] == 1


def test_numbers_as_labels_in_labelme_s_files(tmp_path: Path):
    labelme(tmp_path, lambda label: of_face(EMOTIONS.index(label)))  # type: ignore[arg-type]
    assert load(tmp_path, cache=False).classes == ("0", "1", "2", "3")


def test_files_that_are_cut_off_and_pictures_that_are_gone_are_told(tmp_path: Path):
    labelme(tmp_path, of_face)
    for name in NAMES[:4]:
        file = (tmp_path / name).with_suffix(".json")
        file.write_text(file.read_text()[:30])
    (tmp_path / NAMES[5]).unlink()
    dataset = load(tmp_path, cache=False)
    assert len(dataset) == 7
    assert dataset.left_out["files that are no whole json"] == 4
    assert dataset.left_out["rows whose picture is missing"] == 1
    assert any(f"{NAMES[0][:-4]}.json" in line and "no whole json" in line for line in dataset.decisions)


def test_a_labelme_file_that_was_copied_counts_for_its_own_picture(tmp_path: Path):
    labelme(tmp_path, of_face)
    file = (tmp_path / NAMES[1]).with_suffix(".json")
    file.write_text(file.read_text().replace(NAMES[1], NAMES[0]))
    dataset = load(tmp_path, cache=False)
    assert np.bincount(dataset.labels).tolist() == [3] * 4


def test_of_pictures_of_one_name_a_list_means_the_one_beside_it(tmp_path: Path):
    for part, names in (("train", NAMES[:8]), ("test", NAMES[8:])):
        for name, stem in zip(names, NAMES, strict=False):
            photo(tmp_path / part / "images" / stem, LABELS[name])
            content = {"shapes": [of_face(LABELS[name])], "imagePath": stem}
            write(tmp_path / part / "labels" / f"{stem[:-4]}.json", content)
    dataset = load(tmp_path, cache=False)
    assert sorted(dataset.usage.tolist()) == ["PrivateTest"] * 4 + ["Training"] * 8
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert abs(float(np.median(image)) - light(dataset.classes[label])) < 2


@pytest.mark.parametrize(
    ("content", "wanted"),
    [("<annotations><track id='0' label='sad'/></annotations>", "CVAT for images"),
     ("<annotations><image name='photo_00.png'>", "no whole xml"),
     ("<annotations><image name='photo_00.png'/></annotations>", "none of them a label"),
     ("<annotations><image name='photo_00.png'><points label='sad' points='1,2'/></image></annotations>", "points")],
)  # fmt: skip
def test_an_export_that_gives_no_faces_is_refused_with_the_reason(content: str, wanted: str, tmp_path: Path):
    photos(tmp_path)
    write(tmp_path / "annotations.xml", content)
    with pytest.raises(MienError, match=wanted):
        load(tmp_path, cache=False)


def test_boxes_that_end_before_they_begin_are_refused_as_such(tmp_path: Path):
    cvat(tmp_path, lambda label: f'<box label="{label}" {sides(RIGHT, BOTTOM, LEFT, TOP)}/>')
    with pytest.raises(MienError, match="ends where it begins or before: 100, 70 to 40, 10"):
        load(tmp_path, cache=False)
