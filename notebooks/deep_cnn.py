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
# # 2. Deeper
#
# Four convolutions and a layer of 4.7 million weights behind them. Does depth alone help?

# %%
from story import faces, trained

dataset = faces()

# %%
runs = trained(dataset, "deep")

# %% [markdown]
# It learns its training faces by heart and stays where it was on others: the loss on validation faces turns upwards
# within a few
# epochs while training accuracy runs towards one. That is overfitting, and the rest of the study is about what mends
# it.

# %%
from mien.evaluation import history

rows = history.read(runs[0].folder / "history.csv")
for row in rows:
    print(
        f"epoch {row['epoch']:>3.0f}   train {row['train_accuracy']:.3f}   validation {row['val_accuracy']:.3f}   gap "
        f"{row['generalization_gap']:+.3f}"
    )
