"""The stages of the graph, one module each: `run(cfg, out, *, job, **upstream) -> artifact`."""
