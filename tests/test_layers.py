"""Fused kernels for batch norm, max pooling and ReLU match torch's layers, and are not used where they do not apply."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mien.training import conv3x3, kernels, layers, networks  # noqa: E402

pytestmark = pytest.mark.skipif(kernels.library() is None, reason="no C compiler here")

RUNS = {
    "norm": ("norm",), "norm-relu": ("norm", "relu"), "norm-pool": ("norm", "pool"), "pool": ("pool",),
    "norm-pool-relu": ("norm", "pool", "relu"), "pool-relu": ("pool", "relu"),
}  # fmt: skip
SHAPES = [(5, 32, 48, 48), (3, 48, 7, 9), (2, 16, 2, 3), (7, 208, 6, 6), (1, 64, 31, 4)]


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_kernels(monkeypatch):
    """A function that says from when on the kernels may not be called."""

    def never(*args: object) -> None:
        raise AssertionError("the kernels were called")

    def forbid() -> None:
        monkeypatch.setattr(layers._Norm, "apply", never)
        monkeypatch.setattr(layers._Pool, "apply", never)

    return forbid


def build(run: tuple[str, ...], channels: int, **norm) -> layers.Sequential:
    make = {"norm": lambda: nn.BatchNorm2d(channels, **norm), "pool": lambda: nn.MaxPool2d(2), "relu": networks.relu}
    model = layers.Sequential(*(make[name]() for name in run))
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():  # of either sign
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model.train()


def plain(model: nn.Sequential) -> nn.Sequential:
    """The same in torch's own nn.Sequential and in float64."""
    return nn.Sequential(*copy.deepcopy(list(model))).double().train()


def picture(*shape: int) -> "torch.Tensor":
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def passes(model: nn.Module, x: "torch.Tensor", g: "torch.Tensor") -> list["torch.Tensor"]:
    """Result, gradients of the input and the weights, and running statistics."""
    x = x.clone().requires_grad_()
    y = model(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *model.parameters()], g), *model.buffers()]


def near(a: "torch.Tensor", b: "torch.Tensor") -> bool:
    return a.shape == b.shape and bool((a.double() - b.double()).norm() <= 2e-6 * b.double().norm() + 1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_agrees_with_torch_in_float64_and_with_itself_for_any_number_of_threads(run, shape):
    torch.manual_seed(0)
    model = build(run, shape[1])
    x = picture(*shape) + torch.linspace(-3, 3, shape[1])[:, None, None]
    g = picture(*model(x).shape)
    fresh = copy.deepcopy(model)
    torch.set_num_threads(1)
    ours = passes(model, x, g)
    theirs = passes(plain(fresh), x.double(), g.double())
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        again = passes(copy.deepcopy(fresh), x, g)
        assert all(torch.equal(a, b) for a, b in zip(ours, again, strict=True))
    assert all(near(a, b) for a, b in zip(ours, theirs, strict=True))
    assert ours[0].is_contiguous(memory_format=torch.channels_last)


def test_the_kernels_are_what_runs(no_kernels):
    no_kernels()
    for run in RUNS.values():
        with pytest.raises(AssertionError, match="were called"):
            build(run, 32)(picture(2, 32, 8, 8).requires_grad_())


@pytest.mark.parametrize("relu", [True, False])
def test_equal_values_and_nan_go_torch_s_way_through_a_pool(relu):
    torch.manual_seed(0)
    x = torch.randint(-2, 2, (6, 32, 9, 12)).float().contiguous(memory_format=torch.channels_last)
    x[torch.rand_like(x) < 0.05] = torch.nan
    x[torch.rand_like(x) < 0.3] = -torch.inf
    model = build(("pool", "relu") if relu else ("pool",), 32)
    g = picture(6, 32, 4, 6)
    for a, b in zip(passes(model, x, g), passes(nn.Sequential(*model), x, g), strict=True):
        assert torch.equal(a.nan_to_num(9), b.nan_to_num(9))


def test_nan_comes_through_a_norm_and_a_relu():
    x = picture(2, 32, 4, 4)
    x[1, 3, 2, 2] = torch.nan
    y = build(("norm", "pool", "relu"), 32)(x)
    assert y[:, 3].isnan().all()
    assert not y[:, 4:].isnan().any()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_small_deviation_about_a_large_mean_is_at_least_as_exact_as_torch_s(scale):
    torch.manual_seed(0)
    x = ((picture(8, 32, 24, 24) * 0.01 + 100) * scale).contiguous(memory_format=torch.channels_last)
    x[0, :, 0, 0] *= 1.01  # the first pixel is far from the others
    model, g = build(("norm",), 32), picture(8, 32, 24, 24)
    exact = passes(plain(model), x.double(), g.double())
    torch_s = passes(nn.Sequential(*copy.deepcopy(list(model))), x, g)
    for ours, theirs, true in zip(passes(model, x, g)[:4], torch_s, exact, strict=False):
        assert near(ours, true) or (ours - true).norm() <= (theirs - true).norm()


@pytest.mark.parametrize(
    "options", [{}, {"momentum": None}, {"momentum": 0.3, "eps": 0.1}, {"track_running_stats": False}], ids=str
)
def test_running_statistics_are_torch_s_over_several_steps(options):
    torch.manual_seed(0)
    ours = build(("norm", "relu"), 32, **options)
    theirs = nn.Sequential(*copy.deepcopy(list(ours))).train()
    for _ in range(3):
        x = picture(4, 32, 5, 5)
        assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-7)
    x = picture(4, 32, 5, 5)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-6)


def test_is_torch_s_own_where_it_does_not_fit(no_kernels):
    no_kernels()
    x = picture(2, 32, 8, 8)
    run = ("norm", "pool", "relu")
    build(run, 32).eval()(x)
    build(run, 32)(x.contiguous())
    build(run, 10)(x[:, :10].contiguous(memory_format=torch.channels_last))
    build(run, 32).double()(x.double())
    build(("norm",), 32, affine=False)(x)
    with torch.no_grad():
        build(run, 32)(x)
    with torch.autocast("cpu", torch.bfloat16):
        build(run, 32)(x)
    for pool in (nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.AvgPool2d(2)):
        layers.Sequential(pool, nn.ReLU()).train()(x)
    with pytest.raises(ValueError, match="more than 1 value"):
        build(run, 32)(picture(1, 32, 1, 1))
    with pytest.raises(RuntimeError, match="too small"):
        build(("pool",), 32)(picture(1, 32, 1, 1))


def test_a_frozen_norm_keeps_its_statistics_and_a_layer_with_a_hook_is_called():
    model = build(("norm", "pool", "relu"), 32)
    model[0].eval()
    before = [b.clone() for b in model.buffers()]
    model(picture(2, 32, 8, 8))
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    seen = []
    model.train()[1].register_forward_hook(lambda *_: seen.append(1))
    model(picture(2, 32, 8, 8))
    assert seen == [1]


@pytest.mark.parametrize("name", [name for name in networks.NETWORKS if name != "broad"])  # the champion, wider
def test_networks_learn_the_same_with_and_without(name, monkeypatch):
    monkeypatch.setattr(conv3x3, "usable", lambda x: None)
    usable, distances = layers.usable, []
    # Against torch in float64. Rounding alone may let another value win in a pool, and the gradient goes another way
    # then, as it does with torch in float32: with some starts by 0.5 to 1.5 % in the network of most pools.
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        ours = networks.build(name, conv_drop=0.0, fc_drop=0.0).to(memory_format=torch.channels_last).train()
        theirs = copy.deepcopy(ours).double()
        x, labels = torch.randn(3, 1, 48, 48), torch.arange(3)
        gradients = []
        for model, whether, faces in ((ours, usable, x), (theirs, lambda x: None, x.double())):
            monkeypatch.setattr(layers, "usable", whether)
            nn.functional.cross_entropy(model(faces), labels).backward()
            gradients.append(torch.cat([p.grad.flatten().double() for p in model.parameters()]))
        distances.append(float((gradients[0] - gradients[1]).norm() / gradients[1].norm()))
        if distances[-1] <= 1e-2:
            break
    assert min(distances) <= 1e-2
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5), key


def test_a_network_uses_them(no_kernels):
    no_kernels()
    for name in networks.NETWORKS:
        with pytest.raises(AssertionError, match="were called"):
            networks.build(name).to(memory_format=torch.channels_last).train()(torch.randn(2, 1, 48, 48))
