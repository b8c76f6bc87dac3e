"""The run as an experiment tracker knows it."""

from pipeline.reporting.schema.model_row import Part


class Tracked(Part):
    mlflow_run_id: str
    mlflow_experiment_id: str
