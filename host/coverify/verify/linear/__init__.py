"""The integer program as linear rows and stairs, for solvers that know integers: HiGHS, CP-SAT, Marabou."""
