"""Classify sounds or arrays: `predict.py word.wav folder/ sample.npy --top 3 --json`.
Needs numpy, and ai-edge-litert, tflite-runtime or tensorflow (.tflite), or onnxruntime."""

import argparse
import importlib.util
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

LITE = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


def sound(path: Path, rate: int, samples: int) -> Any:
    """The middle of a sound of 16 bits, or a shorter one between zeros: int16 [samples]."""
    try:
        with wave.open(str(path)) as file:
            (channels, width, own), count = file.getparams()[:3], file.getnframes()
            content = file.readframes(count)
    except (wave.Error, EOFError) as error:
        raise SystemExit(f"{path}: no WAV of 16-bit integers ({error}). {convert(rate)}") from error
    if width != 2 or own != rate or not count or len(content) != 2 * channels * count:
        what = f"{own:,} samples a second of {8 * width} bits, {len(content):,} bytes"
        raise SystemExit(
            f"{path}: has {what}; the model takes 16 bits at {rate:,}. {convert(rate)}"
        )
    values = np.frombuffer(content, "<i2").reshape(-1, channels).mean(axis=1)
    start, more = max(0, count - samples) // 2, max(0, samples - count)
    padded = np.pad(values[start : start + samples], (more // 2, more - more // 2))
    return np.clip(np.rint(padded), -32768, 32767).astype(np.int16)


def convert(rate: int) -> str:
    return f"`ffmpeg -i FILE -ac 1 -ar {rate} -c:a pcm_s16le NEW.wav` makes one."


def opened(path: Path) -> Any:
    """A function from an input [1, ...] to the logits; all files take its values as float32."""
    if path.suffix != ".tflite":
        session = importlib.import_module("onnxruntime").InferenceSession(path)
        name = session.get_inputs()[0].name
        return lambda raw: session.run(None, {name: raw.astype(np.float32)})
    module = next((i for i in LITE if importlib.util.find_spec(i.partition(".")[0])), LITE[0])
    lite = importlib.import_module(module).Interpreter(str(path))
    lite.allocate_tensors()
    into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]
    put, get, run = lite.set_tensor, lite.get_tensor, lite.invoke
    return lambda raw: (put(into, raw.astype(np.float32)), run(), get(out))[2:]


def inputs(paths: list[Path], spec: dict[str, Any]) -> Any:
    shape, is_sound = tuple(spec["shape"]), spec["kind"] == "waveform"
    ends = (".npy", ".wav") if is_sound else (".npy",)
    for file in (f for p in paths for f in (sorted(p.rglob("*.*")) if p.is_dir() else [p])):
        if file.suffix.lower() not in ends and file not in paths:
            continue
        if is_sound and file.suffix != ".npy":
            yield str(file), sound(file, spec["front_end"]["rate"], shape[0])
            continue
        try:
            raw = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SystemExit(f"{file}: no .npy file, which the model takes: {error}.") from error
        if raw.shape != shape or not np.isfinite(raw).all():
            raise SystemExit(f"{file}: must be numbers {list(shape)}, and is {list(raw.shape)}.")
        yield str(file), raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders")
    parser.add_argument("--model", type=Path, help="in place of the recommended file")
    parser.add_argument("--top", type=int, default=1, help="number of classes")
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    asked, bundle = parser.parse_args(), Path(__file__).parent
    model = asked.model or bundle / json.loads((bundle / "bundle.json").read_bytes())["recommended"]
    about = json.loads(Path(f"{model}.json").read_text("utf-8"))
    run, names, sure = opened(model), about["classes"], about.get("confidence") or {}
    own = sure.get("class_thresholds") or [None] * len(names)
    for name, raw in inputs(asked.paths, about["input"]):
        logits = run(raw[np.newaxis])[0].ravel().astype(np.float64)
        powers = np.exp((logits - logits.max()) / sure.get("temperature", 1.0))
        shares, order = powers / powers.sum(), np.argsort(-logits, kind="stable").tolist()
        limits = (own[order[0]], sure.get("threshold"), 2.0 if {*own} - {None} else 0.0)
        unknown = bool(shares[order[0]] < next(limit for limit in limits if limit is not None))
        top = [dict(name=names[i], probability=shares[i], logit=logits[i]) for i in order]
        found = {"file": name, "unknown": unknown, "top": top[: asked.top]}
        words = ", ".join(f"{one['name']} {one['probability']:.3f}" for one in found["top"])
        print(json.dumps(found) if asked.json else f"{name}: {words}{' (unknown)' * unknown}")


if __name__ == "__main__":
    main()
