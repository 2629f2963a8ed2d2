"""An endpoint as one writes it first: the champion behind FastAPI; uvicorn bare_app:app."""

from datetime import datetime

import mlflow
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel


class Trip(BaseModel):
    """A row of raw columns."""

    lpep_pickup_datetime: datetime
    PULocationID: int
    DOLocationID: int
    trip_distance: float | None
    VendorID: float | None
    trip_type: float | None


class Trips(BaseModel):
    """The body of a request."""

    dataframe_records: list[Trip]


app = FastAPI()
model = mlflow.pyfunc.load_model("models:/taxi-duration@champion")


@app.get("/health")
def health() -> str:
    """Say that the server is up."""
    return "OK"


@app.post("/invocations")
def predict(trips: Trips) -> dict[str, list[float]]:
    """Predict rows."""
    rows = pd.DataFrame([trip.model_dump() for trip in trips.dataframe_records])
    return {"predictions": model.predict(rows).tolist()}
