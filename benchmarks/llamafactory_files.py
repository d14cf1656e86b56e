"""What LLaMA-Factory reads: the tiny model's folder, and the picture world's rows such that it trains on the text of vicuna_v1."""

from pathlib import Path

from utils.runs import write_json


def write_model(folder: Path, pixels: int) -> None:
    """The shipped model for pictures of that side, as a folder that both sides load: weights in float32, tokenizer, processor.

    The processor's file is written out: transformers' own class would want torchvision here.
    """
    from benchmarks.wider import wider_picture
    from utils.models.load import SHIPPED, load_folder
    from utils.models.pixels import CLIP

    model, tokenizer = load_folder(SHIPPED)
    model = wider_picture(model, pixels)
    model.config.text_config.use_cache = False  # a cache only costs time in training; their program would fill it
    model.save_pretrained(folder)
    tokenizer.model_max_length = model.config.text_config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    square = {"height": pixels, "width": pixels}
    picture = {"image_processor_type": "CLIPImageProcessor", "size": square, "crop_size": square, "image_mean": CLIP.mean, "image_std": CLIP.std}
    split = {"patch_size": model.config.vision_config.patch_size, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}
    write_json(folder / "processor_config.json", {"processor_class": "LlavaProcessor", "image_processor": picture, "image_token": "<image>"} | split)


def their_rows(rows: list[dict], images: Path) -> list[dict]:
    """LLaVA rows in LLaMA-Factory's sharegpt form, so that its template "llava" says what vicuna_v1 says.

    That template leaves out the start token, the space behind the system text and the one before each answer: they stand in the
    texts here.
    """
    from utils.corpus.conversations import IMAGE_TOKEN, turns_of
    from utils.models.prompt_formats import VICUNA_V1

    system = VICUNA_V1.start + VICUNA_V1.before_image.removesuffix(VICUNA_V1.next_turn)
    found = []
    for row in rows:
        said = []
        for number, (question, answer) in enumerate(turns_of(row)):
            question = question.replace(IMAGE_TOKEN, "").strip()
            before = IMAGE_TOKEN + VICUNA_V1.after_image if number == 0 else ""
            answer = VICUNA_V1.before_answer + answer.strip()
            said += [{"from": "human", "value": before + question}, {"from": "gpt", "value": answer}]
        found.append({"conversations": said, "images": [str(images / row["image"])], "system": system})
    return found


def write_data(folder: Path, rows: list[dict], images: Path) -> None:
    """The rows and LLaMA-Factory's description of them."""
    columns = {"messages": "conversations", "images": "images", "system": "system"}
    write_json(folder / "rows.json", their_rows(rows, images))
    write_json(folder / "dataset_info.json", {"rows": {"file_name": "rows.json", "formatting": "sharegpt", "columns": columns}})
