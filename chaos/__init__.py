"""The proof that nothing is lost, whatever crashes, restarts or repeats: `python -m chaos`.

    plan ──► run ──► stack, two hosts, simulated portal ──► observed ──► verdict ──► report
             └─ actors: sender, troublemaker, collector, sampler

What is to happen is drawn from a seed (`plan`), what the portal does follows from it
(`simulation`), and what was seen is judged by pure functions (`verdict`). How the threads of two
processes interleave no seed decides: a run can differ from the last one, its plan cannot.
"""
