"""What benchmarks/verify.py is made of: the queries, how they are asked, and the tables and plot of a run."""
