"""Training: networks, augmentation, recipes, the trainer, export. The only wing that imports torch."""
