"""Records of the models that fuse at the input: types C and D, and state-space models."""

from utils.taxonomy.record import Model, named

_LLAVA_STAGES = "first the linear layer, then linear layer and language model"
_MLP_STAGES = "first the MLP, then MLP and language model"
_BOTH = ("connector", "language model")

EARLY: tuple[Model, ...] = (
    Model(
        "LLaVA", "C.1", 2023, 4, "7B, 13B", "256 patch vectors of CLIP-L/14 (224 pixels) stand among the text's vectors", "one linear layer",
        "linear",
        _LLAVA_STAGES, _BOTH, "595K captions, then 158K instructions", "Liu et al. 2023, arXiv 2304.08485; haotian-liu/LLaVA",
    ),
    Model(
        "LLaVA-Med", "C.1", 2023, 6, "7B", "as LLaVA", "one linear layer", "linear", _LLAVA_STAGES, _BOTH,
        "600K biomedical captions, then 60K instructions", "Li et al. 2023, arXiv 2306.00890; microsoft/LLaVA-Med", unsure=named("data"),
    ),
    Model(
        "LLaVAR", "C.1", 2023, 6, "13B", "as LLaVA, CLIP-L/14 at 336 pixels", "one linear layer, as LLaVA", "linear", _LLAVA_STAGES, _BOTH,
        "LLaVA's and 422K pictures of text read by OCR, then 16K conversations about them",
        "Zhang et al. 2023, arXiv 2306.17107; SALT-NLP/LLaVAR", assumed=named("subtype connector trained"),
        note="its scripts follow LLaVA's: what they do not freeze is taken to learn",
    ),
    Model(
        "LLaVA-1.5", "C.1", 2023, 10, "7B, 13B", "576 patch vectors of CLIP-L/14 (336 pixels) stand among the text's vectors", "MLP of two layers",
        "MLP",
        _MLP_STAGES, _BOTH, "558K captions, then 665K instructions", "Liu et al. 2023, arXiv 2310.03744; haotian-liu/LLaVA",
    ),
    Model(
        "LLaVA-Phi", "C.1", 2024, 1, "about 3B (Phi-2)", "as LLaVA-1.5", "MLP", "MLP", _MLP_STAGES, _BOTH, "LLaVA-1.5's",
        "Zhu et al. 2024, arXiv 2401.02330",
    ),
    Model(
        "LLaVA-NeXT", "C.1", 2024, 1, "7B to 34B", "as LLaVA-1.5, with tiles of the picture: up to 2,880 vectors and a mark at each row's end",
        "MLP and tiles", "MLP",
        "first the MLP, then all parts", ("connector", "language model", "vision encoder"), "558K captions, then 760K to 790K instructions",
        "llava-vl.github.io/blog/2024-01-30-llava-next; LLaVA-VL/LLaVA-NeXT", note="also called LLaVA-1.6; the published set has 779,289 rows",
    ),
    Model(
        "PaLM-E", "C.1", 2023, 3, "12B, 84B, 562B (PaLM 540B and ViT-22B)",
        "vectors of pictures and of a robot's state stand among the text's vectors",
        "affine projection", "linear", "variants with the language model frozen or not", _BOTH, "robot and web data",
        "Driess et al. 2023, arXiv 2303.03378",
        claim="reasons about what a robot sees and does",
    ),
    Model(
        "MiniGPT-v2", "C.1", 2023, 10, "7B (LLaMA-2)", "four neighbouring patch vectors joined to one, among the text's vectors",
        "one linear layer", "linear",
        "linear layer and LoRA, in stages", ("connector", "LoRA"), None, "Chen et al. 2023, arXiv 2310.09478",
    ),
    Model(
        "DetGPT", "C.2", 2023, 5, "13B (Vicuna)", "as MiniGPT-4; the answer's words then drive a detector", "Q-Former and a linear layer",
        "Q-Former", "linear layer",
        ("connector",), "5K pictures with instructions", "Pi et al. 2023, arXiv 2305.14167; OptimalScale/DetGPT", unsure=named("subtype data"),
        note="a 7B version exists too",
    ),
    Model(
        "PandaGPT", "C.1", 2023, 5, "13B (Vicuna)", "one vector of ImageBind for a whole picture, sound or video, among the text's vectors",
        "one linear layer from ImageBind", "linear", "linear layer and LoRA", ("connector", "LoRA"), "160K instructions of LLaVA and MiniGPT-4",
        "Su et al. 2023, arXiv 2305.16355; yxuansu/PandaGPT", claim="six modalities, trained on pictures and text alone",
        unsure=named("sizes fusion"),
    ),
    Model(
        "BLIP-2", "C.2", 2023, 1, "3B to 12B", "32 vectors that queries draw from the picture stand before the text", "Q-Former with 32 queries",
        "Q-Former",
        "Q-Former (188M); encoder and language model frozen", ("connector",), "129M pictures with captions", "Li et al. 2023, arXiv 2301.12597",
        unsure=named("data"),
    ),
    Model(
        "Qwen-VL", "C.3", 2023, 8, "9.6B", "256 vectors that queries draw from the picture stand among the text's vectors",
        "one cross-attention layer, 256 queries", "cross-attention", "in stages", (), "1.4B pairs", "Bai et al. 2023, arXiv 2308.12966",
        unsure=named("subtype data"), note="C.3 or C.4; which part learns in which stage is not recorded here",
    ),
    Model(
        "LaVIT", "D.1", 2023, 9, "7B (LLaMA)", "pictures become discrete tokens, as many as they need, like words of a foreign language",
        "dynamic visual tokenizer, code book of 16,384", "tokenizer", "first the tokenizer, then the language model",
        ("tokenizer", "language model"), None,
        "Jin et al. 2023, arXiv 2309.04669; jy0205/LaVIT", claim="FID 7.4", unsure=named("connector"),
    ),
    Model(
        "TEAL", "D.1", 2023, 11, "7B, 13B", "pictures and sound become discrete tokens; tokens go in, tokens come out", "ready-made tokenizers",
        "tokenizer",
        "a matrix of embeddings in two stages; the language model can stay frozen", ("embeddings",), None, "Yang et al. 2023, arXiv 2311.04589",
        unsure=named("sizes trained"),
    ),
    Model(
        "CM3Leon", "D.1", 2023, 9, "0.35B to 7B", "pictures become discrete tokens of one vocabulary; examples are retrieved into the prompt",
        "VQ tokenizer, 1,024 tokens for a picture of 256 pixels", "tokenizer", "all of the language model", ("language model",), "2T tokens",
        "Yu et al. 2023, arXiv 2309.02591", claim="FID 4.88 with a fifth of PARTI's compute", unsure=named("connector data"),
        note="the tokens are told second-hand, and differently: 2T or 2.4T",
    ),
    Model(
        "VL-GPT", "D.1", 2023, 12, "7B", "a trained tokenizer makes a short sequence of vectors of a picture, which the model also predicts",
        "image tokenizer and detokenizer",
        "tokenizer", "in stages: tokenizer, then language model", ("tokenizer", "language model"), "pairs and interleaved pages",
        "Zhu et al. 2023, arXiv 2312.09251", unsure=named("sizes trained"), note="filed under D although its image tokens are continuous",
    ),
    Model(
        "VL-Mamba", "SSM", 2024, 3, "2.8B (largest Mamba)", "as type C, with Mamba as the language model",
        "Vision Selective Scan: two-dimensional scans, then an MLP", "scan",
        "as LLaVA, in two stages", _BOTH, None, "Qiao et al. 2024, arXiv 2403.13600; ZhengYu518/VL-Mamba", unsure=named("trained"),
        note="the thesis writes 'Mamba e VL-Mamba Cobra' as one; VL-Mamba and Cobra are two models",
    ),
    Model(
        "Cobra", "SSM", 2024, 3, "about 3.5B (Mamba-2.8B-Zephyr)",
        "as type C, with Mamba as the language model; DINOv2 and SigLIP see together at 384 pixels",
        "MLP with GELU over both encoders", "MLP", "MLP and language model at once: no alignment stage, 2 epochs", _BOTH,
        "LLaVA-1.5's, LVIS-Instruct and LRV", "Zhao et al. 2024, arXiv 2403.14520; h-zhao1997/cobra", unsure=named("sizes trained"),
        claim="3 to 4 times faster than LLaVA-Phi and MobileVLM-v2",
    ),
    Model(
        "mBLIP", "C.2", 2023, 7, "4.8B (mT0-XL), 8.3B (BLOOMZ)",
        "32 vectors from BLIP-2's Q-Former stand before the text of a multilingual language model",
        "Q-Former with 32 queries, then a linear layer", "Q-Former", "Q-Former, linear layer and LoRA in the language model", ("connector", "LoRA"),
        "captions, VQA, LLaVA and more, each row machine-translated into one of 96 languages",
        "Geigle et al. 2024, arXiv 2307.06930; gregor-ge/mBLIP",
        named_by="seeds", unsure=named("sizes"), assumed=named("subtype"), note="built on BLIP-2, so filed with it",
    ),
    Model(
        "LLaVA-NDiNO", "C.1", 2024, None, "8B (LLaMA-3 base)", "as LLaVA-NeXT, in Italian", "MLP of two layers and tiles", "MLP",
        "first the MLP, then all parts in up to three stages", ("connector", "language model", "vision encoder"),
        "558K English captions; 250K Italian texts with pictures; 260,302 translated instructions; 58K conversations",
        "Musacchio et al. 2024, CEUR-WS Vol-3877, paper 9; swapUniba/LLaVA-NDiNO", named_by="seeds", assumed=named("subtype"),
        note="built on LLaVA-NeXT, so filed with it; its sizes are the language model's",
    ),
    Model(
        "AMALIA-VL", "C.1", 2026, 6, "9B", "as LLaVA-NeXT, in European Portuguese: tiles of 384 pixels, at most 7,800 vectors",
        "MLP of two layers and tiles", "MLP",
        "first the connector, then all parts; what preferences train is not told", ("connector", "language model", "vision encoder"),
        "500K captions, partly translated; English and synthetic Portuguese instructions; preference pairs",
        "arXiv 2606.19100 and the model cards of amalia-llm",
        named_by="seeds", assumed=named("subtype connector"), note="it loads with LLaVA-NeXT's class, so filed with it",
    ),
)  # fmt: skip
