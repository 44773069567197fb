// The normalization passes of the oneDNN kernel set, over float32
// activations [blocks][rows][channels]. See kernel.go for what each computes.
#ifndef ABLATE_PASSES_H
#define ABLATE_PASSES_H
#include <stddef.h>

void pass_moments(float *mean, float *m2, const float *x, int blocks, int rows, int c);
void pass_scale_shift(float *y, const float *x, const float *residual, const float *scale, const float *shift,
                      int blocks, int rows, int c, int relu);
void pass_grad_moments(float *sum_g, float *sum_gx, const float *dy, const float *y, const float *x,
                       const float *center, int blocks, int rows, int c);
void pass_grad_apply(float *dx, float *dres, const float *dy, const float *y, const float *x, const float *scale,
                     const float *slope, const float *shift, int blocks, int rows, int c);
void pass_mean_rows(float *y, const float *x, int blocks, int rows, int c);
void pass_spread_rows(float *dx, const float *dy, int blocks, int rows, int c);
#endif
