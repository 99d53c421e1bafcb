"""How mien draws faces: `sitter` chooses, `features` and `head` shape, `portrait` paints."""
