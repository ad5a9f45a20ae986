/* What is the square root of a scale in double, rounded to nearest? Load time only; no C library is needed. */
#ifndef COVERIFY_SQUARE_ROOT_H
#define COVERIFY_SQUARE_ROOT_H

/* Needs a positive normal number. */
double k_square_root(double x);

#endif
