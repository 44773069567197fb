// A convolution of one shape on oneDNN: NHWC activations, weights
// [out, kernel, kernel, in], float32, no bias, one thread.
#ifndef ABLATE_CONV_H
#define ABLATE_CONV_H

typedef struct conv conv;

// conv_new returns NULL and sets *status where oneDNN refuses the shape.
conv *conv_new(int n, int h, int w, int in, int out, int kernel, int stride, int pad, int *status);
void conv_free(conv *c);

// Each returns a dnnl_status_t.
int conv_forward(conv *c, float *y, const float *x, const float *w);
int conv_backward_data(conv *c, float *dx, const float *dy, const float *w);
int conv_backward_weights(conv *c, float *dw, const float *x, const float *dy);

// c = op(a) op(b), row-major and dense.
int gemm(int trans_a, int trans_b, int m, int n, int k, const float *a, const float *b, float *c);
#endif
