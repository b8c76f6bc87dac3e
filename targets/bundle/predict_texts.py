"""Classify texts: `predict.py --text "where is it" --text "..." lines.txt --top 3 --json`.
A .txt file has a text on each line; an .npy holds tokens. Needs numpy, and ai-edge-litert,
tflite-runtime or tensorflow (.tflite), or onnxruntime."""

import argparse
import importlib.util
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np

LITE = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter", "tensorflow.lite")


def opened(path: Path) -> Any:
    """A function from tokens [1, length] to the logits."""
    if path.suffix != ".tflite":
        session = importlib.import_module("onnxruntime").InferenceSession(path)
        name = session.get_inputs()[0].name
        return lambda raw: session.run(None, {name: raw})
    module = next((i for i in LITE if importlib.util.find_spec(i.partition(".")[0])), LITE[0])
    lite = importlib.import_module(module).Interpreter(str(path))
    lite.allocate_tensors()
    into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]
    return lambda raw: (lite.set_tensor(into, raw), lite.invoke(), lite.get_tensor(out))[2:]


def inputs(asked: argparse.Namespace, folder: Path, length: int) -> Any:
    """Name and tokens of each input, made by the code and the vocabulary beside the model."""
    code = runpy.run_path(str(folder / "tokens.py"))
    known = code["read_vocabulary"](folder / "vocab.txt")
    lines = list(asked.text or ())
    for file in asked.paths:
        if file.suffix == ".npy":
            yield str(file), np.load(file)
        else:
            lines += file.read_text("utf-8").splitlines()
    for line in lines:
        yield line, code["encode"](line, known, length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files")
    parser.add_argument("--text", action="append", help="a text; may be repeated")
    parser.add_argument("--model", type=Path, help="in place of the recommended file")
    parser.add_argument("--top", type=int, default=1, help="number of classes")
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    asked, bundle = parser.parse_args(), Path(__file__).parent
    model = asked.model or bundle / json.loads((bundle / "bundle.json").read_bytes())["recommended"]
    about = json.loads(Path(f"{model}.json").read_text("utf-8"))
    run, names, sure = opened(model), about["classes"], about.get("confidence") or {}
    own = sure.get("class_thresholds") or [None] * len(names)
    for name, tokens in inputs(asked, model.parent, about["tokenizer"]["length"]):
        logits = run(np.array([tokens], np.int32))[0].ravel().astype(np.float64)
        powers = np.exp((logits - logits.max()) / sure.get("temperature", 1.0))
        shares, order = powers / powers.sum(), np.argsort(-logits, kind="stable").tolist()
        limits = (own[order[0]], sure.get("threshold"), 2.0 if {*own} - {None} else 0.0)
        unknown = bool(shares[order[0]] < next(limit for limit in limits if limit is not None))
        top = [dict(name=names[i], probability=shares[i], logit=logits[i]) for i in order]
        found = {"text": name, "unknown": unknown, "top": top[: asked.top]}
        words = ", ".join(f"{one['name']} {one['probability']:.3f}" for one in found["top"])
        print(json.dumps(found) if asked.json else f"{name}: {words}{' (unknown)' * unknown}")


if __name__ == "__main__":
    main()
