"""Every network in the table: size, shape, gradients, learning, and outputs equal to ONNX. New ones need tests."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from mien.errors import MienError  # noqa: E402
from mien.inference.model import open_model  # noqa: E402
from mien.training import dropout, networks, onnx_export, predict, quantize  # noqa: E402
from mien.training.members import MEMBERS  # noqa: E402
from mien.training.pretrained import load_pretrained  # noqa: E402
from mien.training.recipes import OWN, recipe  # noqa: E402

PARAMETERS = {
    "normal": 683_527,
    "baseline": 595_655,
    "deep": 4_960_903,
    "dropout": 1_199_495,
    "dropout_heavy": 1_199_495,
    "globalpool": 569_223,
    "hybrid": 304_743,
    "champion": 1_912_487,
    "broad": 5_575_495,
    "nano": 82_791,
    "vgg": 3_509_575,
    "resnet": 2_928_535,
    "inception": 3_153_319,
    "repvgg": 3_656_775,
}


def test_the_networks_have_the_sizes_they_are_said_to_have():
    assert {name: networks.parameters(networks.build(name)) for name in PARAMETERS} == PARAMETERS


@pytest.mark.parametrize("name", networks.NETWORKS)
class TestEveryNetwork:
    def test_gives_a_logit_per_class(self, name):
        assert networks.build(name, classes=5).eval()(torch.zeros(3, 1, 48, 48)).shape == (3, 5)

    def test_sends_gradients_everywhere(self, name):
        torch.manual_seed(0)
        model = networks.build(name)
        torch.nn.functional.cross_entropy(model(torch.randn(8, 1, 48, 48)), torch.arange(8) % 7).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())

    def test_overfits_one_batch(self, name):
        torch.manual_seed(0)
        model = networks.build(name, conv_drop=0.0, fc_drop=0.0)
        side = 48 if OWN[name][1] == "dense" else 24
        x, y = torch.randn(14, 1, side, side), torch.arange(14) % 7
        opt = torch.optim.Adam(model.parameters(), 1e-3)
        for _ in range(150):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            if loss.item() < 0.05:
                break
            opt.zero_grad()
            loss.backward()
            opt.step()
        assert loss.item() < 0.05

    def test_answers_as_its_onnx_file_does_and_comes_back_from_it(self, name, tmp_path):
        torch.manual_seed(0)
        model = networks.build(name)
        with torch.no_grad():
            model(torch.randn(4, 1, 48, 48))  # lets batch norms see something
        path = tmp_path / "model.onnx"
        onnx_export.export(model, path, name=name, classes=[f"c{i}" for i in range(7)], mean=0.5, std=0.5)
        faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
        ours = predict.logits(model, faces, 0.5, 0.5)
        assert np.abs(open_model(path).logits(faces) - ours).max() < 1e-4
        assert np.abs(open_model(path).logits(faces[:1]) - ours[:1]).max() < 1e-4
        found = onnx_export.weights(path)
        for key, value in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                assert torch.equal(found[key], value)
        if name not in MEMBERS:
            return
        for smaller in (quantize.to_float16, quantize.quantize_weights):
            smaller(path, tmp_path / "small.onnx")
            assert (tmp_path / "small.onnx").stat().st_size < 0.6 * path.stat().st_size
            assert np.abs(open_model(tmp_path / "small.onnx").logits(faces) - ours).max() < 0.1 * np.ptp(ours)


def test_members_are_small_and_say_their_family():
    assert all(PARAMETERS[name] <= 5_000_000 for name in MEMBERS)
    assert len({networks.NETWORKS[name].group for name in MEMBERS}) == len(MEMBERS)


@pytest.mark.parametrize("name", ["hybrid", "nano"])  # with ReLUs behind pools, and with one that is needed elsewhere
def test_relu_before_pool_changes_no_value(name, tmp_path):
    model = networks.build(name)
    model(torch.randn(16, 1, 48, 48))
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    onnx_export.export(model, before, name=name, classes=[f"c{i}" for i in range(7)], mean=0.5, std=0.5)
    graph = onnx.load(str(before))
    quantize.relu_before_pool(graph)
    makers = {output: node.op_type for node in graph.graph.node for output in node.output}
    assert not [n for n in graph.graph.node if n.op_type == "Relu" and makers.get(n.input[0]) == "MaxPool"]
    onnx_export.save(graph, after)
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    assert np.allclose(open_model(after).logits(faces), open_model(before).logits(faces), atol=1e-5)


@pytest.mark.parametrize("name", ["deep", "globalpool", "hybrid", "champion", "nano"])  # an end of each kind
def test_eight_bits_answer_nearly_alike_for_one_face_and_for_many(name, tmp_path):
    torch.manual_seed(0)
    model = networks.build(name)
    model(torch.randn(16, 1, 48, 48))
    wide, small = tmp_path / "wide.onnx", tmp_path / "small.onnx"
    onnx_export.export(model, wide, name=name, classes=[f"c{i}" for i in range(7)], mean=0.5, std=0.5)
    faces = np.random.default_rng(0).integers(0, 256, (40, 48, 48), dtype=np.uint8)
    quantize.quantize_static(wide, small, faces)
    expected, found = open_model(wide).logits(faces), open_model(small).logits(faces)
    assert np.abs(found - expected).max() < 0.1 * np.ptp(expected)
    assert np.array_equal(open_model(small).logits(faces[:1]), found[:1])
    assert len(np.unique(found)) > 0.9 * found.size  # not rounded to 8 bits themselves
    graph = onnx.load(str(small)).graph
    assert not {"ReduceMean", "Shape"} & {node.op_type for node in graph.node}
    biases = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.INT32}
    stored = {t.name for t in graph.initializer}
    scales = [node.input[1] for node in graph.node if node.input[0] in biases]
    assert scales
    assert not stored.intersection(scales)  # computed from two others when the model is loaded
    assert small.stat().st_size < wide.stat().st_size / 2


def test_the_study_s_order_of_relu_and_pool_gives_the_same():
    torch.manual_seed(0)
    ours = networks.build("baseline")
    theirs = torch.nn.Sequential(
        ours[0], torch.nn.ReLU(), torch.nn.MaxPool2d(2), ours[3], torch.nn.ReLU(), torch.nn.MaxPool2d(2), *ours[6:]
    )  # fmt: skip
    x = torch.randn(4, 1, 48, 48)
    a, b = ours(x), theirs(x)
    assert torch.equal(a, b)
    weights = list(ours.parameters())
    ga = torch.autograd.grad(a.square().sum(), weights)
    gb = torch.autograd.grad(b.square().sum(), weights)
    assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(ga, gb, strict=True))


def test_a_network_with_other_layers_is_refused_as_a_start():
    with pytest.raises(MienError, match="another network"):
        load_pretrained("hybrid", recipe("champion"), [f"c{i}" for i in range(7)])


def test_hybrid_drops_whole_maps_or_single_values():
    kinds = {kind: networks.build("hybrid", drop_kind=kind) for kind in ("channel", "element")}
    assert sum(isinstance(m, torch.nn.Dropout2d) for m in kinds["channel"]) == 3
    assert sum(isinstance(m, torch.nn.Dropout) for m in kinds["element"]) == 4
    torch.manual_seed(0)
    maps = dropout.ChannelDropout(0.25)(torch.ones(64, 32, 6, 6)).flatten(2)
    assert ((maps == 0).all(2) | torch.isclose(maps, torch.tensor(1 / 0.75)).all(2)).all()
    assert 0.2 < float((maps == 0).all(2).float().mean()) < 0.3


@pytest.mark.parametrize("kind", ["channel", "element"])
def test_what_is_dropped_of_an_image_does_not_depend_on_how_many_processes_share_the_batch(kind):
    x = torch.rand(10, 8, 6, 6).add_(1).contiguous(memory_format=torch.channels_last)
    layer = dropout.drop(0.3, kind)
    torch.manual_seed(1)
    whole = layer(x)
    for rank in range(3):
        dropout.set_shard(layer, dropout.Shard(rank, 3, 10))
        torch.manual_seed(1)
        mine = layer(x[rank::3].contiguous(memory_format=torch.channels_last))
        assert torch.allclose(mine, whole[rank::3])


@pytest.mark.parametrize("name", ["deep", "hybrid"])
def test_batch_norm_and_the_head_can_be_chosen(name):
    plain = networks.build(name, batch_norm=False, head="dense", conv_drop=0.0)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in plain.modules())
    full = networks.build(name, batch_norm=True, head="global_avg", drop_kind="channel")
    norms, convolutions = (
        sum(isinstance(m, kind) for m in full.modules()) for kind in (torch.nn.BatchNorm2d, torch.nn.Conv2d)
    )
    assert norms == convolutions
    x = torch.zeros(2, 1, 48, 48)
    assert plain.eval()(x).shape == full.eval()(x).shape == (2, 7)
    assert full(x[:, :, :32, :32]).shape == (2, 7)  # global pooling takes images of any size


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("p", [0.05, 0.25, 0.999999])
def test_dropout_drops_its_share_and_keeps_the_sum_and_the_gradient_follows_the_mask(layout, p):
    torch.manual_seed(3)
    x = torch.rand(16, 8, 12, 12).add_(1).contiguous(memory_format=layout).requires_grad_()
    y = dropout.Dropout(p)(x)
    dropped = y == 0
    assert y.stride() == x.stride()
    assert float(dropped.float().mean()) == pytest.approx(p, abs=0.02)
    assert torch.allclose(y[~dropped], x[~dropped] / (1 - p), rtol=1e-4)
    (g,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(g == 0, dropped)
    torch.manual_seed(3)
    torch.rand(16, 8, 12, 12)
    assert torch.equal(dropout.Dropout(p)(x) == 0, dropped)
    assert dropout.Dropout(p).eval()(x) is x or torch.equal(dropout.Dropout(p).eval()(x), x)


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(MienError, match=r"no network 'hybird'.*hybrid"):
        networks.build("hybird")
