// A convolution of one shape on oneDNN: weights [out, kernel, kernel, in],
// float32, no bias, one thread. An activation whose channels are a multiple of
// conv_lanes lies in slabs of as many, any other is NHWC.
#ifndef ABLATE_CONV_H
#define ABLATE_CONV_H

typedef struct conv conv;

typedef struct {
    int n, h, w, in, out, kernel, stride, pad;
} conv_shape;

// conv_lanes is the width of a slab, or 0 without the instructions for it.
int conv_lanes(void);

// conv_new returns NULL when out of memory. What oneDNN needs for a direction
// is made when it is first used.
conv *conv_new(conv_shape shape);
void conv_free(conv *c);

// Each returns a dnnl_status_t. One at a time: they share what they work with.
int conv_forward(conv *c, float *y, const float *x, const float *w);
int conv_backward_data(conv *c, float *dx, const float *dy, const float *w);
int conv_backward_weights(conv *c, float *dw, const float *x, const float *dy);

// conv_winograd is 1 after all three if they went by Winograd's algorithm.
int conv_winograd(const conv *c);

// c = op(a) op(b), row-major and dense.
int gemm(int trans_a, int trans_b, int m, int n, int k, const float *a, const float *b, float *c);
#endif
