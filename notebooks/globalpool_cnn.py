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
# # 4. Global pooling
#
# Most of the deep network's weights sit in one layer behind its maps. Taking one number from each map instead (Lin et
# al. 2014) removes
# them: 569,223 parameters instead of 4,960,903, at more depth.

# %%
from story import faces, trained

dataset = faces()

# %%
runs = trained(dataset, "deep", "globalpool")
