# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. All compared, and submission.csv
#
# What the seven networks came to, which of the study's claims hold, and Kaggle's test.csv answered by the model that
# came of it. ([How to start](base_model.ipynb).)

# %%
import tempfile
from pathlib import Path

from IPython.display import Markdown, display
from story import DATA, RUNS, STUDY, faces, sample_faces, show, show_rows

import mien

dataset = faces()
data_files = RUNS / "drawn-faces" if dataset.drawn and not any(DATA.glob("*.csv")) else DATA

# %% [markdown]
# ## Seven networks, two ways to train

# %%
show(STUDY / "study.png")

# %%
display(Markdown((STUDY / "study.md").read_text()))

# %% [markdown]
# ## The claims

# %%
display(Markdown((STUDY / "claims.md").read_text()))

# %%
show(STUDY / "effects.png")

# %% [markdown]
# ## A model is its file
#
# `hybrid` is the study's network, trained the modern way, and shipped with mien: one file that needs no torch.

# %%
model = mien.load_model("hybrid")
print(f"{model.name}: {model.metadata['parameters']} weights, classes {', '.join(model.classes)}")

# %% [markdown]
# On the part of the data that it was not trained on. PublicTest was looked at while recipes were chosen; the result of
# the challenge is the accuracy on PrivateTest, whose labels stay hidden.

# %%
result = mien.evaluate("hybrid", dataset, parts="validation")
print(result)

# %% [markdown]
# ## Where it goes wrong

# %%
import numpy as np

part = result.parts["validation"]
probabilities = part.probabilities["single"]
wrong = probabilities.argmax(axis=1) != part.labels
surest = [i for i in np.argsort(-probabilities.max(axis=1)) if wrong[i]][:6]
for i in surest:
    print(f"row {part.rows[i]}: labeled {part.classes[part.labels[i]]}, read as "
          f"{part.classes[probabilities[i].argmax()]} with {probabilities[i].max():.0%}")  # fmt: skip

# %% tags=["real-faces"]
show_rows(dataset, [int(part.rows[i]) for i in surest])

# %% [markdown]
# ## Drawn faces, read

# %%
sample_faces(columns=6)
drawn = mien.data.draw(14, seed=2)
for label, answer in zip(drawn.labels[:6], mien.classify(drawn.images[:6], model="hybrid"), strict=True):
    print(f"drawn as {drawn.classes[label]:<9} read as {drawn.classes[answer.argmax()]:<9} {answer.max():.0%}")

# %% [markdown]
# ## submission.csv
#
# One row for each face of test.csv, in its order; image and mirror averaged.

# %%
output = Path(tempfile.mkdtemp()) / "submission.csv"
made = mien.submit("hybrid", data_files, output, format="id0")
print(f"{made['rows']:,} rows")
print("\n".join(output.read_text().splitlines()[:6]))
print("...")
print("how often each class is predicted:", made["predicted"])
