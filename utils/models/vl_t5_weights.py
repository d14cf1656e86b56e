"""VL-T5's weights on disk: the released checkpoint, checked key by key, and the small one that training leaves in a folder."""

import os
from pathlib import Path

import torch

from utils.models.vl_t5 import TIED, UNUSED, VLT5, VLT5Config, released_config
from utils.runs import UserError


def open_vl_t5(folder: Path) -> tuple[VLT5, object]:
    """(model, tokenizer) of a stage's folder, see training/vl_t5.py; raises UserError when it holds none."""
    from transformers import AutoTokenizer

    folder = Path(folder)
    try:
        model = VLT5.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{folder} holds no small VL-T5 ({str(error).splitlines()[0]}); train it with train_vl_t5 in utils/training/vl_t5.py"
        ) from error


def _released_names(tensors: dict) -> dict:
    """Keys as this class has them: without DataParallel's `module.`, and `encoder.` for the older `vis_encoder.`."""
    plain = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    return {"encoder." + key.removeprefix("vis_encoder.") if key.startswith("vis_encoder.") else key: t for key, t in plain.items()}


def convert_released(source: Path, target: Path) -> Path:
    """Rewrite a released `.pth` as safetensors: torch reads tensors alone (weights_only) and refuses a file that holds anything else.

    Copies of the shared matrix and the unused norm are left out. Raises UserError when the file is missing or is refused.
    """
    import pickle

    from safetensors.torch import save_file

    source, target = Path(source), Path(target)
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{source} is refused: it is no file of tensors alone ({reason}); download it again from its authors") from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise UserError(f"{source} is refused: it is no dictionary of tensors; give the file Epoch30.pth as its authors published it")
    tensors = _released_names(found)
    shared = tensors.get("shared.weight")
    kept = {key: t.contiguous() for key, t in tensors.items() if key not in UNUSED and not (key in TIED and shared is not None and t.equal(shared))}
    part = target.with_name(f".{target.name}.part")
    save_file(kept, part)
    os.replace(part, target)
    return target


def load_released(path: Path, config: VLT5Config | None = None) -> VLT5:
    """VLT5 with the released weights from safetensors, each key and shape checked against `config` (default: the released one).

    Raises UserError naming the file and the first key that is missing, unknown, of another shape, not finite, or tied and unequal.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path} is not safetensors; rewrite a .pth once with convert_released(source, target) in utils/models/vl_t5_weights.py")
    try:
        tensors = _released_names(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}); convert the released file again") from error
    with torch.device("meta"):
        model = VLT5(config or released_config())
    model.load_state_dict(_checked(path, tensors, model.state_dict()), assign=True)
    model.tie_weights()
    return model.eval()


def _checked(path: Path, tensors: dict, wanted: dict) -> dict:
    shared = tensors.get("shared.weight")
    tensors = {**({} if shared is None else dict.fromkeys(TIED, shared)), **{key: t for key, t in tensors.items() if key not in UNUSED}}
    for key, place in wanted.items():
        if key not in tensors:
            raise UserError(f"{path} lacks the key {key}; it is no whole VL-T5 checkpoint, so download and convert it again")
        if tensors[key].shape != place.shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(place.shape)}"
            raise UserError(f"{path}: {key} has the shape {shapes}; use the checkpoint of VL-T5 with T5-base, or give its own config")
        if not tensors[key].isfinite().all():
            raise UserError(f"{path}: {key} holds a number that is not finite; download and convert the checkpoint again")
        if key in TIED and not tensors[key].equal(shared):
            raise UserError(f"{path}: {key} differs from shared.weight, with which VL-T5 ties it; use the checkpoint as its authors published it")
    if unknown := sorted(tensors.keys() - wanted.keys()):
        raise UserError(f"{path} has the unknown key {unknown[0]}; use the checkpoint of VL-T5, not of VL-BART or another model")
    return {key: t.float() for key, t in tensors.items()}
