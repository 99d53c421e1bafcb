"""A page without a server: a static site that reads faces in the visitor's browser."""
