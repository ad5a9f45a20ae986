"""One file per operator: `prepare` checks a node and computes its integers, `run` computes its bytes."""
