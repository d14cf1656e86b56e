"""Records of the models that fuse inside the layers: types A and B."""

from utils.taxonomy.record import Model, named

_REGIONS = "36 detector regions join the text in the encoder; the decoder reads both by its own cross-attention"

DEEP: tuple[Model, ...] = (
    Model(
        "Flamingo", "A.1", 2022, 4, "3B, 9B, 80B (the last with Chinchilla 70B)",
        "gated cross-attention blocks before layers of the language model; a tanh gate starts at 0", "Perceiver resampler, 64 latents", "resampler",
        "cross-attention blocks and resampler; language model and NFNet encoder frozen", ("connector", "new layers"),
        "M3W 43M pages, ALIGN 1.8B pairs, LTIP 312M pairs, VTP 27M videos", "Alayrac et al. 2022, arXiv 2204.14198",
        claim="answers from a few examples in the prompt", unsure=named("sizes connector data"),
    ),
    Model(
        "OpenFlamingo", "A.1", 2023, 8, "3B, 4B, 9B", "as Flamingo, with CLIP ViT-L", "Perceiver resampler", "resampler",
        "cross-attention blocks and resampler", ("connector", "new layers"), "LAION-2B pairs and MMC4",
        "Awadalla et al. 2023, arXiv 2308.01390; mlfoundations/open_flamingo", note="an open copy of Flamingo; its first code is of March 2023",
    ),
    Model(
        "Multimodal-GPT", "A.1", 2023, 5, "9B", "OpenFlamingo-9B with LoRA", "OpenFlamingo's resampler", "resampler", "LoRA", ("LoRA",),
        "instructions with pictures (A-OKVQA, COCO, OCR-VQA, LLaVA, MiniGPT-4) and without (Dolly, Alpaca GPT-4)",
        "Gong et al. 2023, arXiv 2305.04790; open-mmlab/Multimodal-GPT",
    ),
    Model(
        "VL-BART", "A.2", 2021, 2, "0.14B (BART-base)", _REGIONS, "linear layers for region features and boxes", "linear",
        "the whole encoder-decoder; regions come ready from a detector", ("connector", "language model"),
        "COCO and Visual Genome captions, VQA, GQA, Visual7W", "Cho et al. 2021, arXiv 2102.02779; j-min/VL-T5", unsure=named("sizes"),
    ),
    Model(
        "VL-T5", "A.2", 2021, 2, "0.22B (T5-base)", _REGIONS, "linear layers for region features and boxes", "linear",
        "the whole encoder-decoder; regions come ready from a detector", ("connector", "language model"),
        "COCO and Visual Genome captions, VQA, GQA, Visual7W", "Cho et al. 2021, arXiv 2102.02779; j-min/VL-T5", unsure=named("sizes"),
        note="the survey files it under deep fusion although the picture enters at the encoder's input",
    ),
    Model(
        "LLaMA-Adapter", "B.1", 2023, 3, "LLaMA-7B and 1.2M learned parameters",
        "learned prompts in the upper layers, attended to through a gate that starts at 0",
        "learned prompts, with a projection of the picture's features",
        "learned prompts", "prompts, gates and projection", ("connector", "new layers"), "52K Alpaca instructions (text); COCO captions for pictures",
        "Zhang et al. 2023, arXiv 2303.16199", unsure=named("data"),
    ),
    Model(
        "LLaMA-Adapter V2", "B.1", 2023, 4, "7B and 14M learned parameters",
        "as LLaMA-Adapter; picture tokens enter early layers only, and biases, norms and scales learn too", "learned prompts, with a projection",
        "learned prompts", "prompts, gates, biases, norms and scales, about 0.2 %; two disjoint groups, for captions and for instructions",
        ("connector", "new layers"), "52K instructions and 567K COCO captions", "Gao et al. 2023, arXiv 2304.15010",
        claim="can call caption and OCR experts when it answers", unsure=named("trained data connector"),
    ),
    Model(
        "CogVLM", "B.1", 2023, 11, "17B (10B for vision, 7B for language)",
        "a visual expert: image tokens have their own QKV and feed-forward weights in each layer", "MLP adapter", "MLP",
        "expert and adapter; language model frozen", ("connector", "new layers"), "1.5B pairs for pre-training", "Wang et al. 2023, arXiv 2311.03079",
        claim="tested on 17 benchmarks", unsure=named("connector data"),
    ),
    Model(
        "CogAgent", "B.1", 2023, 12, "18B", "CogVLM, and cross-attention to a second view of 1120 pixels in the layers",
        "CogVLM's adapter, and a high-resolution cross-attention module", "cross-attention", None, (), "screens of computers and phones (GUI data)",
        "Hong et al. 2023, arXiv 2312.08914", unsure=named("connector"),
    ),
    Model(
        "MoE-LLaVA", "B.2", 2024, 1, "1.6B, 1.8B or 2.7B, with 4 experts of which 2 act (2.7B: 3.6B active of 5.3B)",
        "feed-forward layers become a mixture of experts", "MLP", "MLP", "in stages; the last trains the experts",
        ("connector", "language model", "new layers"),
        "about LLaVA-1.5's", "Lin et al. 2024, arXiv 2401.15947; PKU-YuanGroup/MoE-LLaVA", unsure=named("connector trained data"),
    ),
)  # fmt: skip
