"""One module per command: `add_arguments` parses, `run` calls the wings. Loaded only when given."""
