"""The tables of docs/studies.md, docs/repair.md and docs/verifier-notes.md, made from recorded results."""
