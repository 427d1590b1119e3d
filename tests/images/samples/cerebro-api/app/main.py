"""Answers the health path of the data API, with the caller's address as the server sees it."""

from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/")
def root(request: Request) -> dict[str, str]:
    return {"status": "online", "client": request.client.host if request.client else ""}
