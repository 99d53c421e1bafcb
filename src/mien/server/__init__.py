"""A page and an API over `mien.recognition`, on this machine: `mien serve`. FastAPI and uvicorn, no torch."""
