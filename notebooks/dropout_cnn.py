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
# # 3. Dropout
#
# Dropping values at random while training (Srivastava et al. 2014) keeps a network from relying on any one of them.
# `dropout` drops
# after the last pool and before the last layer, `dropout_heavy` after each pool.

# %%
from story import faces, trained

dataset = faces()

# %%
runs = trained(dataset, "baseline", "dropout", "dropout_heavy")

# %% [markdown]
# The curves stay together for longer: training accuracy, measured with dropout on, may even lie below validation
# accuracy at first.
