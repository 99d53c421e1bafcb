"""Every known layout of facial-expression data in, one `Dataset` of uint8 arrays out. No torch."""

from mien.data.dataset import Dataset
from mien.data.load import load, load_test
from mien.data.packed import pack
from mien.data.splits import Split, split
from mien.data.synthetic.generate import draw, draw_face, draw_files

__all__ = ["Dataset", "Split", "draw", "draw_face", "draw_files", "load", "load_test", "pack", "split"]
