"""Network families. A family is one module with `build`, and one line here."""

TEACHERS = {"resnet": "pipeline.models.resnet"}
STUDENTS = {
    "mobilenet_v1": "pipeline.models.mobilenet_v1",
    "mobilenet_v2": "pipeline.models.mobilenet_v2",
}
"""Name of a family -> its module, imported when it is built."""
