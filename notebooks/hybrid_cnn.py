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
# # 5. All of it together
#
# The hybrid: batch norm (Ioffe & Szegedy 2015), dropout and global average pooling, in 304,743 weights. First the
# study's way; then the modern way, with augmentation, label smoothing, decoupled weight decay, a learning rate that
# rises and falls, and averaged weights. ([How to start](base_model.ipynb).)

# %%
import story

dataset = story.faces()

# %% [markdown]
# ## The network

# %%
model = story.network("study/hybrid")
story.print_layers(model)
story.draw_layers(model)

# %%
story.sample_faces(columns=6)

# %% tags=["real-faces"]
story.sample_faces(dataset, columns=6)

# %% [markdown]
# ## Batch norm by hand
#
# For each map, over all faces of the batch: subtract the mean, divide by the deviation. Then a learned scale and
# shift. Whatever the layers below do, the next one finds numbers of about the same size, and can take larger steps.

# %%
import torch

x = (torch.from_numpy(dataset.images[:64]).float().unsqueeze(1) / 255 - 0.5) / 0.5
maps = model[0](x).detach()  # of the first convolution, (64, 32, 48, 48)
mean, deviation = maps.mean((0, 2, 3), keepdim=True), maps.std((0, 2, 3), keepdim=True, unbiased=False)
by_hand = (maps - mean) / (deviation**2 + 1e-5).sqrt()
print("before: means", [f"{value:+.2f}" for value in mean.flatten()[:6].tolist()])
print("        deviations", [f"{value:.2f}" for value in deviation.flatten()[:6].tolist()])
print("as torch does it:", torch.allclose(by_hand, torch.nn.BatchNorm2d(32)(maps), atol=1e-4))

# %% [markdown]
# And augmentation by hand: what the modern training makes of one drawn face, six times.

# %%
from dataclasses import replace

from mien.data import draw
from mien.training import augment
from mien.training.recipes import recipe

drawn = draw(10, seed=1)
one = (torch.from_numpy(drawn.images[:1]).float().unsqueeze(1) / 255 - 0.5) / 0.5
views = augment.augment(one.repeat(6, 1, 1, 1), recipe("hybrid").augmentation, augment.draw(6, seed=1, epoch=1))
pixels = ((views[:, 0] * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
story.show_rows(replace(drawn, images=pixels), list(range(6)))

# %% [markdown]
# ## The knobs to turn

# %%
story.knobs("hybrid", "epochs", "learning_rate", "schedule", "label_smoothing", "ema_decay", "conv_drop", "fc_drop")
story.knobs("hybrid", "flip", "rotate", "translate", "scale", "brightness_contrast", "random_erasing")

# %% [markdown]
# With batch norm and without, the study's way, on a tenth of the faces: which learns faster?

# %%
print("without batch norm")
story.short_training("study/hybrid", dataset, train_fraction=0.1, epochs=3, batch_norm=False)
print("with batch norm")
run = story.short_training("study/hybrid", dataset, train_fraction=0.1, epochs=3)

# %% [markdown]
# ## The curves of the long trainings

# %%
story.curves("study-hybrid")

# %%
story.curves("study-hybrid-element")

# %%
story.curves("hybrid")

# %% [markdown]
# ## The verdict, explained

# %%
story.explain_verdict("hybrid")

# %% [markdown]
# ## Wrong guesses

# %%
long = story.committed("hybrid") if not dataset.drawn else None
kept = long is not None and story.predictions_of(long) is not None
rows = story.wrong_guesses(long if kept else run.folder, dataset)

# %% tags=["real-faces"]
story.show_rows(dataset, rows)

# %% [markdown]
# ## What each part did, with its interval
#
# Each regularizer added alone to the bare hybrid, and taken alone from the full one: an effect that shows on both sides
# is the regularizer's own.

# %%
story.effects(
    ("hybrid, not deep", "study-deep", "study-hybrid"),
    ("the bare hybrid with batch norm", "ablation-bare", "ablation-bare-batch-norm"),
    ("the full hybrid with its batch norm", "ablation-full-no-batch-norm", "ablation-full"),
    ("the bare hybrid with rotation by up to 5 degrees", "ablation-bare", "ablation-bare-rotate-5"),
    ("the bare hybrid with rotation by up to 10 degrees", "ablation-bare", "ablation-bare-rotate-10"),
    ("the bare hybrid with mirrored faces", "ablation-bare", "ablation-bare-flip"),
    ("the bare hybrid with moves and sizes", "ablation-bare", "ablation-bare-translate-scale"),
    ("the bare hybrid with erasing", "ablation-bare", "ablation-bare-erasing"),
    ("the bare hybrid with label smoothing", "ablation-bare", "ablation-bare-label-smoothing"),
)

# %% [markdown]
# Next: [the comparison, and submission.csv](model_inference.ipynb).
