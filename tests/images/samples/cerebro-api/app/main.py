"""A sample of the data API: the health path, which returns the client address."""

from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/")
def root(request: Request) -> dict[str, str]:
    return {"status": "online", "client": request.client.host if request.client else ""}
