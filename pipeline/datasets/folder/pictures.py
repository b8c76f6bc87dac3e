"""Pictures as a kind of file."""

from pipeline.datasets.files.kind import FileKind
from targets.images.recognition import may_be_picture

PICTURES = FileKind(
    dataset="folder",
    one="picture",
    many="pictures",
    suffix=".jpg",
    sample="image",
    groups="groups",
    cache="photos",
    may_be=may_be_picture,
)

LIBRARIES = ("pillow", "imagehash", "scipy")
"""What decides facts of pictures; the hash of a picture is imagehash's, by scipy's DCT."""
