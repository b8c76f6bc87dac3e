"""Network families. A family is one module with `build`, and one line here."""

TEACHERS = {
    "resnet": "pipeline.models.resnet",
    "wrn": "pipeline.models.wrn",
}
STUDENTS = {
    "mobilenet_v1": "pipeline.models.mobilenet_v1",
    "mobilenet_v2": "pipeline.models.mobilenet_v2",
    "mobilenet_v4": "pipeline.models.mobilenet_v4",
    "fused": "pipeline.models.fused",
}
"""Name of a family -> its module, imported when it is built."""
