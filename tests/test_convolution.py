"""The convolution kernels match torch's, forward and backward, and are not used where they do not apply."""

import pytest

torch = pytest.importorskip("torch")

from mien.training import conv3x3, kernels  # noqa: E402
from mien.training.conv3x3 import Conv3x3  # noqa: E402

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="no C compiler here")


def passes(layer: Conv3x3, x: "torch.Tensor", g: "torch.Tensor") -> list["torch.Tensor"]:
    """Result, and gradients of the input, the weights and the bias."""
    x = x.clone().requires_grad_()
    y = layer(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], g)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("last", [True, False], ids=["channels-last", "contiguous"])
@pytest.mark.parametrize(
    ("n", "c_in", "c_out", "height", "width"),
    [(5, 32, 32, 48, 48), (3, 32, 64, 24, 24), (7, 64, 32, 6, 6), (2, 32, 32, 5, 9), (1, 96, 64, 1, 1), (3, 32, 32, 20,
    32)],
)  # fmt: skip
def test_agrees_with_torch(n, c_in, c_out, height, width, last, threads):
    torch.manual_seed(0)
    layout = torch.channels_last if last else torch.contiguous_format
    layer = Conv3x3(c_in, c_out).to(memory_format=layout)
    x = torch.randn(n, c_in, height, width).contiguous(memory_format=layout)
    g = torch.randn(n, c_out, height, width).contiguous(memory_format=layout)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = passes(layer.train(), x, g)
        again = passes(layer, x, g)
        theirs = passes(layer.eval(), x, g)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(ours, again, strict=True))
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert (a - b).norm() <= 1e-4 * b.norm()


def test_is_torch_s_own_layer_in_evaluation_in_bfloat16_and_for_odd_channels(monkeypatch):
    def never(*args: object) -> None:
        raise AssertionError("the kernels were called")

    monkeypatch.setattr(conv3x3._Convolution, "apply", never)
    x = torch.randn(2, 64, 8, 8)
    Conv3x3(64, 64).eval()(x)
    Conv3x3(64, 10)(x)
    Conv3x3(1, 64)(x[:, :1])
    with torch.no_grad():
        Conv3x3(64, 64)(x)
    with torch.autocast("cpu", torch.bfloat16):
        Conv3x3(64, 64)(x)
    with pytest.raises(AssertionError, match="were called"):
        Conv3x3(64, 64)(x)


def test_can_be_switched_off_and_done_without(monkeypatch):
    fresh = kernels.library.__wrapped__
    monkeypatch.setenv("MIEN_KERNELS", "0")
    assert fresh() is None
    monkeypatch.delenv("MIEN_KERNELS")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert fresh() is None


def test_its_state_is_that_of_torch_s_layer():
    assert set(Conv3x3(32, 32).state_dict()) == set(torch.nn.Conv2d(32, 32, 3).state_dict())


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-4000], lambda b: bytes(len(b)), lambda b: b"text"], ids=["cut", "zeros", "text"]
)
def test_a_damaged_library_is_made_anew(damage, tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    path = kernels._compiled()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert kernels._compiled().read_bytes() == content
