"""A static page without a server that reads faces in the visitor's browser."""
