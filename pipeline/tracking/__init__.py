"""Trackers of a run, as `[tracking]` of its recipe asks: TensorBoard, MLflow. None stops it."""
