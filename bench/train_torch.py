"""Tokens per second of TopK SAE training in PyTorch, for bench/train_pairs.sh.

    train_torch.py sparsify|saelens|dictionary_learning D_IN D_SAE K BATCH STEPS THREADS

Trains one SAE with the library's own step: Adam, unit-norm decoder, random rows that are already in
memory. Times STEPS steps after one to warm up. Prints the median and the best rate, and the peak
memory, as CSV without a header:

    library,d_in,d_sae,k,batch,threads,steps,tokens_per_s,best_tokens_per_s,cpu_ms,peak_mib

cpu_ms is the processor time of the cheapest step.
Measured with torch 2.13, sparsify (eai-sparsify) 1.3, sae-lens 6.54, dictionary-learning 0.1."""
import os
import resource
import sys
import time

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"
import torch  # noqa: E402  (it must see the variable above)


def sparsify_step(d_in, d_sae, k, batch):
    from sparsify.config import SparseCoderConfig
    from sparsify.sparse_coder import SparseCoder

    sae = SparseCoder(d_in, SparseCoderConfig(num_latents=d_sae, k=k))
    optimizer = torch.optim.Adam(sae.parameters(), lr=1e-4)

    def step(rows):
        sae(rows).fvu.backward()
        sae.remove_gradient_parallel_to_decoder_directions()
        optimizer.step()
        optimizer.zero_grad()
        sae.set_decoder_norm_to_unit_norm()

    return step


def saelens_step(d_in, d_sae, k, batch):
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=d_in, d_sae=d_sae, k=k))
    config = SAETrainerConfig(
        total_training_samples=1000 * batch,
        train_batch_size_samples=batch,
        lr_end=3e-5,
        autocast=False,
    )
    trainer = SAETrainer(config, sae, iter(()))
    return lambda rows: trainer._train_step(sae=sae, sae_in=rows)


def dictionary_learning_step(d_in, d_sae, k, batch):
    from dictionary_learning.trainers.top_k import TopKTrainer

    trainer = TopKTrainer(
        steps=1000, activation_dim=d_in, dict_size=d_sae, k=k, layer=0, lm_name="none",
        device="cpu", warmup_steps=10, decay_start=None,
    )
    count = iter(range(1 << 30))
    return lambda rows: trainer.update(next(count), rows)


def main():
    library = sys.argv[1]
    d_in, d_sae, k, batch, steps, threads = map(int, sys.argv[2:8])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    rows = [torch.randn(batch, d_in) for _ in range(2)]
    makers = {
        "sparsify": sparsify_step,
        "saelens": saelens_step,
        "dictionary_learning": dictionary_learning_step,
    }
    step = makers[library](d_in, d_sae, k, batch)
    step(rows[0])
    rates, cpu = [], float("inf")
    for i in range(steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        step(rows[i % 2])
        cpu = min(cpu, time.process_time() - cpu_start)
        rates.append(batch / (time.perf_counter() - start))
    rates.sort()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    median = rates[len(rates) // 2]
    print(
        f"{library},{d_in},{d_sae},{k},{batch},{threads},{steps},"
        f"{median:.0f},{rates[-1]:.0f},{1000 * cpu:.1f},{peak:.0f}"
    )


if __name__ == "__main__":
    main()
