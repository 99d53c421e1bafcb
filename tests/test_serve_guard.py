"""Access control: host names, origins, the token; security headers; prefixes."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from mien.errors import MienError, MienWarning
from mien.server.settings import Settings, check, from_json, is_loopback
from serve_fixtures import PHOTO, client_of

TOKEN = "correct-horse-battery"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "mien.localhost"])
def test_the_servers_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/v1/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "["]
)
@pytest.mark.parametrize("address", ["/", "/v1/model", "/v1/runs", "/healthz"])
def test_a_name_that_was_pointed_here_from_elsewhere_is_refused(client: TestClient, host: str, address: str) -> None:
    response = client.get(address, headers={"Host": host})
    assert response.status_code == 403
    assert response.json()["type"] == "/docs#not-allowed-here"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.168.0.2:8000", 200),
        ("[fe80::1]:8000", 200),
        ("mien:8000", 200),
        (socket.gethostname(), 200),
        ("localhost", 200),
        ("faces.example", 200),
        ("evil.example", 403),
        ("192.168.0.2.evil.example", 403),
        ("", 403),
    ],
)
def test_an_open_address_without_a_token_is_not_reached_by_names_pointed_here(
    tmp_path: Path, host: str, status: int
) -> None:
    with client_of(tmp_path, host="0.0.0.0", hosts=("faces.example",)) as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == status


def test_with_a_token_an_open_address_goes_by_any_name(tmp_path: Path) -> None:
    with client_of(tmp_path, host="0.0.0.0", token=TOKEN) as client:
        assert client.get("/healthz", headers={"Host": "faces.example"}).status_code == 200


def test_further_names_can_be_allowed(tmp_path: Path) -> None:
    with client_of(tmp_path, hosts=("Faces.Example",)) as client:
        assert client.get("/healthz", headers={"Host": "faces.example"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://localhost:80"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "file://localhost"}, 403),
        ({"Origin": "http://localhost:3000", "Host": "localhost:3000"}, 200),
        ({"Origin": "http://localhost:3000", "Host": "localhost:8000"}, 403),
        ({"Origin": "https://localhost", "Host": "localhost"}, 200),
        ({"Origin": "https://localhost:443", "Host": "localhost"}, 200),
        ({"Origin": "http://[::1]:8000", "Host": "[::1]:8000"}, 200),
    ],
)
def test_pages_of_other_origins_may_not_send_pictures(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/v1/read", content=PHOTO, headers=headers).status_code == status


def test_cors_is_off_unless_asked_for(tmp_path: Path, client: TestClient) -> None:
    ask = {"Origin": "https://a.example", "Sec-Fetch-Site": "cross-site"}
    assert "access-control-allow-origin" not in client.get("/v1/model", headers=ask).headers
    preflight = {**ask, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert client.options("/v1/read", headers=preflight).status_code == 405
    with client_of(tmp_path, cors=("https://a.example",), token=TOKEN) as open_client:
        answer = open_client.options("/v1/read", headers=preflight)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        answer = open_client.post("/v1/read", content=PHOTO, headers={**ask, "Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        other = {"Origin": "https://b.example", "Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {TOKEN}"}
        assert open_client.post("/v1/read", content=PHOTO, headers=other).status_code == 403


def test_a_token_guards_all_but_the_page_and_health(tmp_path: Path) -> None:
    with client_of(tmp_path, token=TOKEN) as client:
        for address in ("/v1/model", "/v1/runs", "/metrics"):
            for given in (
                None,
                "Bearer",
                "Bearer wrong",
                f"Basic {TOKEN}",
                f"Bearer {TOKEN}x",
                "Bearer ä".encode("latin-1"),
            ):
                response = client.get(address, headers={"Authorization": given} if given else {})
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                assert response.json()["type"] == "/docs#no-token"
            assert client.get(address, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.post("/v1/read", content=PHOTO).status_code == 401
        for address in ("/", "/docs", "/static/app.js", "/healthz", "/readyz", "/openapi.json"):
            assert client.get(address).status_code == 200
        document = client.get("/openapi.json").json()
        assert document["paths"]["/v1/read"]["post"]["security"] == [{"token": []}]
        assert "security" not in document["paths"]["/healthz"]["get"]


@pytest.mark.parametrize("address", ["/", "/docs", "/static/app.js", "/v1/model", "/nothing", "/v1/read"])
def test_every_answer_tells_the_browser_to_be_strict(client: TestClient, address: str) -> None:
    headers = client.get(address).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=(self)" in headers["permissions-policy"]


def test_the_page_names_nothing_from_elsewhere(client: TestClient) -> None:
    static = Path(__file__).parents[1] / "src/mien/server/static"
    for file in static.iterdir():
        text = file.read_text()
        for foreign in ("https://", "http://", "//cdn"):
            assert foreign not in text.replace("http://www.w3.org/", ""), file.name
    for page in ("index.html", "docs.html"):
        text = (static / page).read_text()
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick" not in text
        assert text.count("<script ") == text.count("<script src=") + text.count('<script type="module" src=')


@pytest.mark.parametrize("stripped", [True, False])
def test_it_works_behind_a_prefix_whether_or_not_the_proxy_takes_it_off(tmp_path: Path, stripped: bool) -> None:
    with client_of(tmp_path, root_path="/faces") as client:
        at = "" if stripped else "/faces"
        for address in ("/", "/docs", "/static/app.js", "/static/style.css", "/sample.jpg", "/v1/model", "/v1/runs"):
            assert client.get(at + address).status_code == 200, address
        assert len(client.post(at + "/v1/read", content=PHOTO).json()["pictures"][0]["faces"]) == 1
        problem = client.get(at + "/v1/runs/none").json()
        assert problem["type"] == "/faces/docs#not-found"
        assert client.get(at + "/openapi.json").json()["servers"] == [{"url": "/faces"}]
        metrics = client.get(at + "/metrics").text
        assert 'route="/v1/read",status="200"} 1' in metrics


def test_settings_travel_to_workers_whole() -> None:
    settings = check(
        Settings(token=TOKEN, cors=("https://a.example",), root_path="faces/", hosts=("a",), max_batch_delay_ms=1.5)
    )
    assert settings.root_path == "/faces"
    assert from_json(settings.to_json()) == settings


def test_names_of_settings_of_0_1_are_read_with_a_line_that_says_the_new_ones() -> None:
    with pytest.warns(MienWarning, match="places is called max_concurrent now"):
        assert from_json('{"places": 3}').max_concurrent == 3
    with pytest.warns(MienWarning, match="window_ms is called max_batch_delay_ms now"):
        assert from_json('{"window_ms": 3.5}').max_batch_delay_ms == 3.5
    with pytest.raises(MienError, match="unknown setting 'place'"):
        from_json('{"place": 3}')


@pytest.mark.parametrize(
    "bad",
    [{"workers": 0}, {"port": 70000}, {"timeout": 0}, {"max_batch_delay_ms": float("nan")}, {"cors": ("*",)},
    {"cors": ("a.example",)},
     {"root_path": "/a?b"}, {"root_path": "/../a"}, {"token": "a b"}, {"max_faces": 0}, {"max_concurrent": 0},
     {"token": "ä"}, {"hosts": ("http://faces.example",)}, {"hosts": ("",)}, {"hosts": ("a.example:80",)}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_in_one_line(bad: dict) -> None:
    with pytest.raises(MienError) as error:
        check(Settings(**bad))
    assert "\n" not in str(error.value)


def test_loopback_is_told_from_the_rest() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]", "LOCALHOST.")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "example.org", "")))
