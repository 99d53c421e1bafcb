"""Synthetic faces: `person` samples people and scenes, `features` and `head` shape them, `render` paints them."""
