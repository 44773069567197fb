// The normalization passes of the oneDNN kernel set, over float32. See
// kernel.go for what each computes.
#ifndef ABLATE_PASSES_H
#define ABLATE_PASSES_H
#include <stddef.h>

// Activations as [blocks][images][slabs][rows][lanes], coefficients as
// [blocks][slabs][lanes].
typedef struct {
    int blocks, images, slabs, rows, lanes;
} view;

void pass_moments(float *mean, float *m2, const float *x, view v);
void pass_scale_shift(float *y, const float *x, const float *residual, const float *scale, const float *shift, view v,
                      int relu);
void pass_grad_moments(float *sum_g, float *sum_gx, const float *dy, const float *y, const float *x,
                       const float *center, view v);
void pass_grad_apply(float *dx, float *dres, const float *dy, const float *y, const float *x, const float *scale,
                     const float *slope, const float *shift, view v);
void pass_mean_rows(float *y, const float *x, view v);
void pass_spread_rows(float *dx, const float *dy, view v);
#endif
