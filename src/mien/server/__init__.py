"""A page and an API over `mien.inference`, on this machine: `mien serve`. FastAPI and uvicorn, no torch."""
