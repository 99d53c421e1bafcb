"""The API: pictures in, faces out; every error is an RFC 9457 problem."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from mien import Reader
from mien.labels import COLORS, EMOTIONS
from mien.server.api import in_reading_order
from mien.server.problems import KINDS
from read_fixtures import crowd, portrait
from serve_fixtures import JPEG, PHOTO, client_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(
        tmp_path_factory.mktemp("serve"), max_bytes=2_000_000, max_pixels=1_000_000, max_pictures=4, max_faces=20
    ) as client:
        yield client


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def problem(response, kind: str) -> dict:
    status, title, _ = KINDS[kind]
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    value = response.json()
    assert value["type"] == f"/docs#{kind}"
    assert (value["title"], value["status"]) == (title, status)
    assert value["detail"]
    assert "Traceback" not in value["detail"]
    return value


def test_a_raw_picture_is_read_as_the_reader_reads_it(client: TestClient) -> None:
    answer = client.post("/v1/read", content=PHOTO, headers=JPEG).json()
    (face,) = Reader(client.app.state.batcher.reader.model.path).read(PHOTO)
    assert answer["model"] == "tiny"
    (picture,) = answer["pictures"]
    assert (picture["name"], picture["width"], picture["height"]) == ("", 512, 512)
    assert picture["faces"] == [json.loads(json.dumps({"number": 1, **face.to_dict()}))]


def test_several_pictures_answer_in_order_each_for_itself(client: TestClient) -> None:
    files = [
        ("pictures", ("a.jpg", PHOTO)),
        ("pictures", ("broken.jpg", PHOTO[:500])),
        ("anything", ("no face.png", png(Image.new("RGB", (90, 60), "teal")))),
    ]
    pictures = client.post("/v1/read", files=files).json()["pictures"]
    assert [picture["name"] for picture in pictures] == ["a.jpg", "broken.jpg", "no face.png"]
    assert len(pictures[0]["faces"]) == 1
    assert pictures[1]["problem"]["type"] == "/docs#unreadable-picture"
    assert pictures[2]["faces"] == []


def test_names_come_back_without_their_folders_and_fields_that_are_no_files_are_passed_over(client: TestClient) -> None:
    answer = client.post("/v1/read", files=[("p", ("../../etc/pässwd.jpg", PHOTO))], data={"note": "hello"})
    assert [picture["name"] for picture in answer.json()["pictures"]] == ["pässwd.jpg"]


def test_crops_come_on_demand_and_can_be_explained(client: TestClient) -> None:
    (face,) = client.post("/v1/read?crops=true", content=PHOTO).json()["pictures"][0]["faces"]
    crop = base64.b64decode(face["crop"])
    with Image.open(io.BytesIO(crop)) as image:
        assert (image.mode, image.size) == ("L", (48, 48))
    explanation = client.post("/v1/explain", content=crop).json()
    assert explanation["emotion"] == face["emotion"]
    assert explanation["probability"] == pytest.approx(face["confidence"], abs=1e-6)
    heat = np.array(explanation["saliency"])
    for old, new in {"belief": "probability", "drop": "probability_drop", "heat": "saliency"}.items():
        assert explanation[old] == explanation[new]
    assert heat.shape == (48, 48)
    assert 0 <= heat.min() <= heat.max() <= 1
    with Image.open(io.BytesIO(base64.b64decode(explanation["overlay"]))) as overlay:
        assert overlay.size == (288, 288)
    assert client.post("/v1/explain?emotion=fear", content=crop).json()["emotion"] == "fear"


def test_what_a_client_cannot_change_is_not_advised(client: TestClient) -> None:
    detail = problem(client.post("/v1/read", content=png(Image.new("L", (1200, 1000)))), "unreadable-picture")["detail"]
    assert detail == "this is 1200x1000, 1,200,000 pixels: the limit is 1,000,000; send a smaller one"


def test_with_flip_read_classify_and_explain_say_the_same(tmp_path: Path) -> None:
    with client_of(tmp_path, flip=True) as client:
        (face,) = client.post("/v1/read?crops=true", content=PHOTO).json()["pictures"][0]["faces"]
        crop = base64.b64decode(face["crop"])
        (classified,) = client.post("/v1/classify", content=crop).json()["faces"]
        explanation = client.post("/v1/explain", content=crop).json()
    assert explanation["emotion"] == classified["emotion"] == face["emotion"]
    assert explanation["probability"] == pytest.approx(face["confidence"], abs=1e-6)
    assert classified["confidence"] == pytest.approx(face["confidence"], abs=1e-6)


def test_an_unknown_emotion_or_two_faces_cannot_be_explained(client: TestClient) -> None:
    assert "angry, disgust" in problem(client.post("/v1/explain?emotion=joy", content=PHOTO), "bad-request")["detail"]
    problem(client.post("/v1/explain", files=[("p", ("a", PHOTO)), ("p", ("b", PHOTO))]), "bad-request")
    problem(client.post("/v1/explain", content=b"no picture"), "unreadable-picture")


def test_cropped_faces_are_classified_as_they_are(client: TestClient) -> None:
    crop = portrait().crop((165, 45, 285, 195)).convert("L")
    answer = client.post(
        "/v1/classify", files=[("f", ("one.png", png(crop))), ("f", ("bad.png", b"?")), ("f", ("two.png", png(crop)))]
    )
    one, bad, two = answer.json()["faces"]
    (expected,) = Reader(client.app.state.batcher.reader.model.path).read(crop, already_cropped=True)
    assert one["emotion"] == expected.emotion
    assert one["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert two["probabilities"] == one["probabilities"]
    assert bad["problem"]["status"] == 422
    problem(client.post("/v1/classify", content=b"?"), "unreadable-picture")


def test_faces_are_numbered_line_by_line_from_left_to_right(client: TestClient) -> None:
    faces = client.post("/v1/read", content=png(crowd(4, 3, 140))).json()["pictures"][0]["faces"]
    assert [face["number"] for face in faces] == list(range(1, 13))
    cells = [(face["box"][1] // 140, face["box"][0] // 140) for face in faces]
    assert cells == [(row, column) for row in range(3) for column in range(4)]


def test_reading_order_follows_a_slanted_line() -> None:
    (face,) = one_face()
    from dataclasses import replace

    slanted = [replace(face, box=(x, 10 + x // 8, 50, 60)) for x in (300, 0, 150)]
    below = replace(face, box=(20, 200, 50, 60))
    ordered = in_reading_order([below, *slanted])
    assert [each.box[0] for each in ordered] == [0, 150, 300, 20]


def one_face() -> list:
    from mien.inference.reader import Face

    return [Face("happy", 1.0, {"happy": 1.0}, (0, 0, 1, 1), None, {}, np.zeros((48, 48), np.uint8), "")]


def test_the_card_tells_model_classes_limits_and_version(client: TestClient) -> None:
    card = client.get("/v1/model").json()
    assert card["classes"] == list(EMOTIONS)
    assert card["colors"] == list(COLORS.values())
    assert card["accuracy"] == 0.5
    assert card["parameters"] == 10000
    assert len(card["sha256"]) == 64
    assert card["limits"]["pictures"] == 4


@pytest.mark.parametrize(
    ("body", "headers", "kind"),
    [
        (b"", JPEG, "bad-request"),
        (b"hello", JPEG, "unreadable-picture"),
        (PHOTO[:9000], JPEG, "unreadable-picture"),
        (b"{}", {"Content-Type": "application/json"}, "wrong-type"),
        (PHOTO, {"Content-Type": "text/plain"}, "wrong-type"),
        (bytes(2_000_001), JPEG, "too-large"),
        (b"x", {"Content-Type": "multipart/form-data"}, "bad-request"),
        (b"--b\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, "bad-request"),
        (b"", {"Content-Type": "multipart/form-data; boundary=b"}, "bad-request"),
        (b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, "bad-request"),
    ],
)
@pytest.mark.parametrize("address", ["/v1/read", "/v1/classify", "/v1/explain"])
def test_what_is_no_picture_is_a_problem(
    client: TestClient, address: str, body: bytes, headers: dict, kind: str
) -> None:
    problem(client.post(address, content=body, headers=headers), kind)


def test_limits_are_told_in_numbers(client: TestClient) -> None:
    large = png(Image.new("L", (1200, 900)))
    assert "1,000,000" in problem(client.post("/v1/read", content=large), "unreadable-picture")["detail"]
    many = [("p", (f"{i}.jpg", PHOTO)) for i in range(5)]
    assert "more than 4 pictures" in problem(client.post("/v1/read", files=many), "bad-request")["detail"]
    fields = [("note", (None, "x")) for _ in range(400)]
    assert "more than 260 parts" in problem(client.post("/v1/read", files=fields), "bad-request")["detail"]
    wall = png(crowd(6, 4, 120))
    assert "24 faces, the limit is 20" in problem(client.post("/v1/read", content=wall), "too-many-faces")["detail"]


def test_addresses_and_methods_that_are_not_there_are_problems(client: TestClient) -> None:
    problem(client.get("/nothing"), "not-found")
    problem(client.get("/v1/read/"), "not-found")
    problem(client.get("/static/nothing.js"), "not-found")
    problem(client.get("/static/../app.py"), "not-found")
    response = client.delete("/v1/read")
    problem(response, "wrong-method")
    assert response.headers["allow"] == "POST"
    problem(client.post("/v1/read?crops=perhaps", content=PHOTO), "bad-request")


def test_what_the_decoder_warns_of_is_told(client: TestClient) -> None:
    file = io.BytesIO()
    portrait().save(file, "GIF", save_all=True, append_images=[portrait().rotate(90)])
    body = {"content": file.getvalue(), "headers": {"Content-Type": "image/gif"}}
    note = "this has 2 frames, and the first is read"
    assert client.post("/v1/read", **body).json()["pictures"][0]["note"] == note
    assert client.post("/v1/classify", **body).json()["faces"][0]["note"] == note
    assert client.post("/v1/explain", **body).json()["note"] == note
    assert client.post("/v1/read", content=PHOTO, headers=JPEG).json()["pictures"][0]["note"] is None


@pytest.mark.parametrize(
    ("query", "said"),
    [("crop=true", "it knows crops"), ("crops=true&crops=false", "given 2 times"), ("a=1", "no parameter 'a'")],
)
def test_a_query_that_is_not_known_is_a_problem(client: TestClient, query: str, said: str) -> None:
    response = client.post(f"/v1/read?{query}", content=PHOTO, headers=JPEG)
    assert said in problem(response, "bad-request")["detail"]
    assert "it takes none" in problem(client.get("/v1/model?x=1"), "bad-request")["detail"]


def test_an_encoded_body_is_refused_by_name(client: TestClient) -> None:
    response = client.post("/v1/read", content=PHOTO, headers={**JPEG, "Content-Encoding": "gzip"})
    assert "'gzip'" in problem(response, "wrong-type")["detail"]
    assert client.post("/v1/read", content=PHOTO, headers={**JPEG, "Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("names", ["", 'filename="plain.jpg"; '])
def test_a_name_in_utf_8_is_read(client: TestClient, names: str) -> None:
    head = f"--x\r\nContent-Disposition: form-data; name=\"p\"; {names}filename*=UTF-8''na%C3%AFve%20%2Fa.jpg\r\n\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/read", content=head.encode() + PHOTO + b"\r\n--x--\r\n", headers=headers)
    assert answer.json()["pictures"][0]["name"] == "a.jpg"


def test_health_answers_head_and_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    assert [client.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    response = client.get("/v1/read")
    assert "it takes POST" in problem(response, "wrong-method")["detail"]
    assert response.headers["allow"] == "POST"


def test_health_and_metrics(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    before = counts(client.get("/metrics").text)
    client.post("/v1/read", content=PHOTO)
    client.post("/v1/read", content=b"?")
    after = counts(client.get("/metrics").text)

    def grown(series: str) -> float:
        return after.get(series, 0) - before.get(series, 0)

    assert grown('mien_requests_total{route="/v1/read",status="200"}') == 1
    assert grown('mien_requests_total{route="/v1/read",status="422"}') == 1
    assert grown('mien_request_seconds_count{route="/v1/read"}') == 2
    assert grown('mien_request_seconds_bucket{route="/v1/read",le="+Inf"}') == 2
    assert grown("mien_faces_total") == 1
    assert grown('mien_pictures_total{result="failed"}') == 1
    assert after["mien_inside"] == 0
    buckets = [
        value for series, value in after.items() if series.startswith('mien_request_seconds_bucket{route="/v1/read"')
    ]
    assert buckets == sorted(buckets)


def counts(text: str) -> dict[str, float]:
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")
    }


def test_the_document_describes_every_address_and_its_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/read", "/v1/classify", "/v1/explain", "/v1/videos", "/v1/model", "/v1/runs", "/v1/runs/{name}",
        "/v1/compare", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    read = document["paths"]["/v1/read"]["post"]
    assert {"image/*", "multipart/form-data"} == set(read["requestBody"]["content"])
    assert {"200", "400", "413", "415", "422", "503"} <= set(read["responses"])
    assert "securitySchemes" not in document["components"]


def test_a_picture_never_reaches_the_disk(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Libraries that keep large parts of forms in files make them where tempfile points.
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    large = [("p", ("a.bmp", bmp(700, 600)))]
    assert len(large[0][1][1]) > 1_200_000
    assert client.post("/v1/read", files=large).json()["pictures"][0]["faces"] == []


def bmp(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, format="BMP")
    return file.getvalue()
