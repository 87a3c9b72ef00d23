"""Trains the three small models of the demo: one per family, 1.4 M parameters each, on the Jargon File.

usage: train_models.py FAMILY TEXT OUT_DIR [--steps N] [--threads N] [--seed N]
  FAMILY   llama | gemma2 | gemma3
  TEXT     the study's 90 % of the text, as demo/split.awk writes it (the held-out 10 % is never read here)
Needs torch, transformers, tokenizers (the versions used are written into OUT_DIR/training.json).
The checkpoint is bf16: config.json, model.safetensors, tokenizer.json.
"""
import argparse, json, math, os, time
import numpy as np, torch, transformers, tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, normalizers, decoders, trainers, Regex, AddedToken

WIDTH, LAYERS, MLP, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 128, 6, 384, 4, 2, 32, 2048
WINDOW, BATCH, SLIDING = 144, 16, 64
DROPOUT = 0.1  # on what attention and MLP add to the residual stream: the text is small
LLAMA3_REGEX = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def llama_tokenizer(text):
    """Byte-level BPE behind the Llama 3 split, special tokens after the vocabulary."""
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_REGEX), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=VOCAB - 2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.add_special_tokens([AddedToken("<|begin_of_text|>", special=True), AddedToken("<|end_of_text|>", special=True)])
    return tok, VOCAB - 2, VOCAB - 1, None


def gemma_tokenizer(text):
    """BPE over U+2581 for spaces with byte fallback; between added tokens the text is one word, as in Gemma's own."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Replace(" ", "\u2581")
    # The merges are learnt within words (a space opens a word); Gemma's own splitter is put in afterwards.
    tok.pre_tokenizer = pre_tokenizers.Split(Regex("\u2581*[^\u2581\n]+|\n+|\u2581+"), "isolated")
    tok.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=special + bytes_, limit_alphabet=200, show_progress=False))
    state = json.loads(tok.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] in special]
    state["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    tok = Tokenizer.from_str(json.dumps(state))
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tok, 2, 1, 0


def model_of(family, bos, eos, pad):
    common = dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=MLP, num_hidden_layers=LAYERS,
                  num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM,
                  max_position_embeddings=1024, bos_token_id=bos, eos_token_id=eos, pad_token_id=pad,
                  tie_word_embeddings=True, attn_implementation="eager")
    if family == "llama":
        cfg = transformers.LlamaConfig(rope_parameters=dict(
            rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=256), **common)
        return transformers.LlamaForCausalLM(cfg)
    if family == "gemma2":
        cfg = transformers.Gemma2Config(sliding_window=SLIDING, query_pre_attn_scalar=HEAD_DIM, **common)
        return transformers.Gemma2ForCausalLM(cfg)
    cfg = transformers.Gemma3TextConfig(sliding_window=SLIDING, query_pre_attn_scalar=HEAD_DIM, **common)
    return transformers.Gemma3ForCausalLM(cfg)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("family", choices=["llama", "gemma2", "gemma3"]); ap.add_argument("text"); ap.add_argument("out")
    ap.add_argument("--steps", type=int, default=3000); ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=0); ap.add_argument("--lr", type=float, default=3e-3)
    a = ap.parse_args()
    torch.set_num_threads(a.threads); torch.manual_seed(a.seed); rng = np.random.default_rng(a.seed)
    text = open(a.text, encoding="utf-8").read()
    tok, bos, eos, pad = (llama_tokenizer if a.family == "llama" else gemma_tokenizer)(text)
    ids = np.array(tok.encode(text, add_special_tokens=False).ids, dtype=np.int64)
    chunks = np.array_split(ids, 256)  # every 32nd chunk watches the training; it takes no decision
    valid = np.concatenate(chunks[31::32]); train = np.concatenate([c for i, c in enumerate(chunks) if i % 32 != 31])
    print(f"{a.family}: {len(text)} characters, {len(ids)} tokens, vocabulary {tok.get_vocab_size()}", flush=True)
    drop = lambda x: torch.nn.functional.dropout(x, DROPOUT, model.training)
    model = model_of(a.family, bos, eos, pad).train()
    for layer in model.model.layers:
        layer.self_attn.register_forward_hook(lambda m, i, o: (drop(o[0]), *o[1:]))
        layer.mlp.register_forward_hook(lambda m, i, o: drop(o))
    count = sum(p.numel() for p in model.parameters())
    decay = [p for p in model.parameters() if p.ndim == 2]; rest = [p for p in model.parameters() if p.ndim != 2]
    opt = torch.optim.AdamW([dict(params=decay, weight_decay=0.1), dict(params=rest, weight_decay=0.0)], lr=a.lr, betas=(0.9, 0.95))
    warm = 100
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warm, 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * s / a.steps))))

    def windows(source, starts, with_bos):
        """BOS and WINDOW-1 ids, or WINDOW ids where with_bos is false: the model meets both in the study."""
        rows = [np.concatenate([[bos], source[s:s + WINDOW - 1]]) if b else source[s:s + WINDOW] for s, b in zip(starts, with_bos)]
        return torch.from_numpy(np.stack(rows))

    @torch.no_grad()
    def validate():
        model.eval()
        starts = np.arange(0, len(valid) - WINDOW, WINDOW - 1)
        loss = np.mean([model(x, labels=x, use_cache=False).loss.item() for x in windows(valid, starts, [True] * len(starts)).split(32)])
        model.train()
        return float(loss)

    log, t0, running = [], time.time(), 0.0
    for step in range(a.steps):
        x = windows(train, rng.integers(0, len(train) - WINDOW, BATCH), rng.random(BATCH) < 0.75)
        loss = model(x, labels=x, use_cache=False).loss
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step(); sched.step(); running += loss.item()
        if (step + 1) % 250 == 0 or step + 1 == a.steps:
            log.append(dict(step=step + 1, train_loss=running / (step % 250 + 1), valid_loss=validate(), seconds=round(time.time() - t0)))
            running = 0.0; print(log[-1], flush=True)
    os.makedirs(a.out, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(a.out); tok.save(a.out + "/tokenizer.json")
    json.dump(dict(family=a.family, parameters=count, steps=a.steps, batch=BATCH, window=WINDOW, lr=a.lr, seed=a.seed, threads=a.threads,
                   torch=torch.__version__, transformers=transformers.__version__, tokenizers=tokenizers.__version__, log=log),
              open(a.out + "/training.json", "w"), indent=1)


main()
