"""Classify pictures and .npy inputs: `predict.py photo.jpg folder/ --top 3 --json`, `--camera 0`.
Needs numpy, Pillow, and ai-edge-litert, tflite-runtime or tensorflow (.tflite), or onnxruntime."""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LITE = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


def prepared(image: Image.Image, shape: tuple[int, int, int], fit: str) -> Any:
    """8 bits, upright by EXIF, over white; then the centre (crop), all in grey bars, or stretch."""
    (height, width, channels), box = shape, None
    if image.mode == "F" or (image.mode == "I" and np.any(np.asarray(image) >> 16)):
        raise SystemExit("A picture has pixels whose range is not known.")
    if image.mode.startswith("I"):
        deep, image = image, Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
        image.getexif().update(deep.getexif())
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    image = image.convert("RGB" if channels == 3 else "L")
    (wide, high), inner = image.size, (width, height)
    if image.size != inner and fit == "crop":
        scale = min(wide / width, high / height)
        left, top = (wide - scale * width) / 2, (high - scale * height) / 2
        box = (left, top, wide - left, high - top)
    elif image.size != inner and fit == "pad":
        scale = min(width / wide, height / high)
        inner = max(1, round(wide * scale)), max(1, round(high * scale))
    bars, place = Image.new(image.mode, (width, height), "#808080"), (width - inner[0]) // 2
    image = image.resize(inner, Image.Resampling.BILINEAR, box)
    bars.paste(image, (place, (height - inner[1]) // 2))
    return np.asarray(bars).reshape(shape)


def opened(path: Path) -> Any:
    """A function from an input [1, ...] to the logits; float files take its values as float32."""
    if path.suffix != ".tflite":
        session = importlib.import_module("onnxruntime").InferenceSession(path)
        name, kind = session.get_inputs()[0].name, session.get_inputs()[0].type[7:-1]
        return lambda raw: session.run(None, {name: raw.astype(kind.replace("float", "float32"))})
    module = next(one for one in LITE if importlib.util.find_spec(one.partition(".")[0]))
    lite = importlib.import_module(module).Interpreter(str(path))
    lite.allocate_tensors()
    into, out = lite.get_input_details()[0], lite.get_output_details()[0]["index"]
    put, get, run = lite.set_tensor, lite.get_tensor, lite.invoke
    return lambda raw: (put(into["index"], raw.astype(into["dtype"])), run(), get(out))[2:]


def inputs(asked: argparse.Namespace, shape: Any, fit: str) -> Any:
    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    for file in (f for p in asked.paths for f in (sorted(p.rglob("*.*")) if p.is_dir() else [p])):
        if file.suffix == ".npy":
            yield str(file), np.load(file).reshape(shape)
            continue
        with Image.open(file, formats=known) as image:
            yield str(file), prepared(image, shape, fit)
    if asked.camera is not None:
        capture = importlib.import_module("cv2").VideoCapture(asked.camera)
        while (frame := capture.read())[0]:
            yield "camera", prepared(Image.fromarray(frame[1][..., ::-1].copy()), shape, fit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders")
    parser.add_argument("--model", type=Path, help="in place of the recommended file")
    parser.add_argument("--top", type=int, default=1, help="number of classes")
    parser.add_argument("--camera", type=int, help="number of a camera, by OpenCV (cv2)")
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    asked, bundle = parser.parse_args(), Path(__file__).parent
    model = asked.model or bundle / json.loads((bundle / "bundle.json").read_text())["recommended"]
    about = json.loads(Path(f"{model}.json").read_text("utf-8"))
    run, fit = opened(model), (about["preprocessing"] or {}).get("fit", "crop")
    names, sure = about["classes"], about.get("confidence") or {}
    own = sure.get("class_thresholds") or [None] * len(names)
    for name, raw in inputs(asked, about["input"]["shape"], fit):
        logits = run(raw[np.newaxis])[0].ravel().astype(np.float64)
        powers = np.exp((logits - logits.max()) / sure.get("temperature", 1.0))
        shares, order = powers / powers.sum(), np.argsort(-logits, kind="stable").tolist()
        limits = (own[order[0]], sure.get("threshold"), 2.0 if set(own) - {None} else 0.0)
        unknown = bool(shares[order[0]] < next(limit for limit in limits if limit is not None))
        top = [dict(name=names[i], probability=shares[i], logit=logits[i]) for i in order]
        found = {"file": name, "unknown": unknown, "top": top[: asked.top]}
        words = ", ".join(f"{one['name']} {one['probability']:.3f}" for one in found["top"])
        print(json.dumps(found) if asked.json else f"{name}: {words}{' (unknown)' * unknown}")


if __name__ == "__main__":
    main()
