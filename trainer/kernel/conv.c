//go:build onednn

#include "conv.h"
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>

#define TRY(call)                              \
    do {                                       \
        dnnl_status_t s_ = (call);             \
        if (s_ != dnnl_success) return s_;     \
    } while (0)

// A weight tensor in the layout that one primitive prefers, and the reorder
// between it and the plain layout that the optimizer sees. If the two are the
// same, reorder is NULL and the plain memory is used as it is.
typedef struct {
    dnnl_memory_t plain, packed;
    dnnl_primitive_t reorder;
} weights;

struct conv {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_memory_t x, y;
    dnnl_primitive_t forward, data, gradient;
    weights wf, wd, wg; // forward, backward data, gradient
};


static dnnl_status_t weights_new(weights *w, dnnl_engine_t e, const dnnl_memory_desc_t *plain,
                                 const dnnl_memory_desc_t *packed, int unpack) {
    TRY(dnnl_memory_create(&w->plain, plain, e, DNNL_MEMORY_NONE));
    if (dnnl_memory_desc_equal(plain, packed)) return dnnl_success;
    TRY(dnnl_memory_create(&w->packed, packed, e, DNNL_MEMORY_ALLOCATE));
    dnnl_primitive_desc_t pd;
    TRY(dnnl_reorder_primitive_desc_create(&pd, unpack ? packed : plain, e, unpack ? plain : packed, e, NULL));
    dnnl_status_t s = dnnl_primitive_create(&w->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return s;
}

static void weights_free(weights *w) {
    if (w->plain) dnnl_memory_destroy(w->plain);
    if (w->packed) dnnl_memory_destroy(w->packed);
    if (w->reorder) dnnl_primitive_destroy(w->reorder);
}


static dnnl_status_t conv_init(conv *c, int n, int h, int w, int in, int out, int kernel, int stride, int pad) {
    dnnl_dim_t oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
    dnnl_dims_t xd = {n, in, h, w}, wd = {out, in, kernel, kernel}, yd = {n, out, oh, ow};
    dnnl_dims_t strides = {stride, stride}, pads = {pad, pad};
    dnnl_memory_desc_t x, y, plain, any;
    TRY(dnnl_memory_desc_init_by_tag(&x, 4, xd, dnnl_f32, dnnl_nhwc));
    TRY(dnnl_memory_desc_init_by_tag(&y, 4, yd, dnnl_f32, dnnl_nhwc));
    TRY(dnnl_memory_desc_init_by_tag(&plain, 4, wd, dnnl_f32, dnnl_ohwi));
    TRY(dnnl_memory_desc_init_by_tag(&any, 4, wd, dnnl_f32, dnnl_format_tag_any));

    TRY(dnnl_engine_create(&c->engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags));
    TRY(dnnl_memory_create(&c->x, &x, c->engine, DNNL_MEMORY_NONE));
    TRY(dnnl_memory_create(&c->y, &y, c->engine, DNNL_MEMORY_NONE));

    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t fpd, pd;
    TRY(dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, &x, &any, NULL, &y,
                                           strides, pads, pads));
    TRY(dnnl_primitive_desc_create(&fpd, &d, NULL, c->engine, NULL));
    TRY(dnnl_primitive_create(&c->forward, fpd));
    TRY(weights_new(&c->wf, c->engine, &plain, dnnl_primitive_desc_query_md(fpd, dnnl_query_weights_md, 0), 0));

    TRY(dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &x, &any, &y, strides, pads, pads));
    TRY(dnnl_primitive_desc_create(&pd, &d, NULL, c->engine, fpd));
    TRY(dnnl_primitive_create(&c->data, pd));
    TRY(weights_new(&c->wd, c->engine, &plain, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), 0));
    dnnl_primitive_desc_destroy(pd);

    TRY(dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &x, &any, NULL, &y, strides, pads,
                                                    pads));
    TRY(dnnl_primitive_desc_create(&pd, &d, NULL, c->engine, fpd));
    TRY(dnnl_primitive_create(&c->gradient, pd));
    TRY(weights_new(&c->wg, c->engine, &plain, dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 0), 1));
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(fpd);
    return dnnl_success;
}

conv *conv_new(int n, int h, int w, int in, int out, int kernel, int stride, int pad, int *status) {
    omp_set_num_threads(1);
    conv *c = calloc(1, sizeof *c);
    *status = c ? (int)conv_init(c, n, h, w, in, out, kernel, stride, pad) : (int)dnnl_out_of_memory;
    if (*status == dnnl_success) return c;
    conv_free(c);
    return NULL;
}

void conv_free(conv *c) {
    if (!c) return;
    if (c->forward) dnnl_primitive_destroy(c->forward);
    if (c->data) dnnl_primitive_destroy(c->data);
    if (c->gradient) dnnl_primitive_destroy(c->gradient);
    weights_free(&c->wf);
    weights_free(&c->wd);
    weights_free(&c->wg);
    if (c->x) dnnl_memory_destroy(c->x);
    if (c->y) dnnl_memory_destroy(c->y);
    if (c->stream) dnnl_stream_destroy(c->stream);
    if (c->engine) dnnl_engine_destroy(c->engine);
    free(c);
}

static dnnl_status_t run(conv *c, dnnl_primitive_t p, int n, dnnl_exec_arg_t *args) {
    TRY(dnnl_primitive_execute(p, c->stream, n, args));
    return dnnl_stream_wait(c->stream);
}

// weights_in gives the primitive's view of plain weights.
static dnnl_status_t weights_in(conv *c, weights *w, const float *plain, dnnl_memory_t *m) {
    TRY(dnnl_memory_set_data_handle(w->plain, (void *)plain));
    *m = w->plain;
    if (!w->reorder) return dnnl_success;
    *m = w->packed;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, w->plain}, {DNNL_ARG_TO, w->packed}};
    return run(c, w->reorder, 2, args);
}

int conv_forward(conv *c, float *y, const float *x, const float *w) {
    omp_set_num_threads(1);
    dnnl_memory_t wm;
    TRY(weights_in(c, &c->wf, w, &wm));
    TRY(dnnl_memory_set_data_handle(c->x, (void *)x));
    TRY(dnnl_memory_set_data_handle(c->y, y));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, c->x}, {DNNL_ARG_WEIGHTS, wm}, {DNNL_ARG_DST, c->y}};
    return run(c, c->forward, 3, args);
}

int conv_backward_data(conv *c, float *dx, const float *dy, const float *w) {
    omp_set_num_threads(1);
    dnnl_memory_t wm;
    TRY(weights_in(c, &c->wd, w, &wm));
    TRY(dnnl_memory_set_data_handle(c->x, dx));
    TRY(dnnl_memory_set_data_handle(c->y, (void *)dy));
    dnnl_exec_arg_t args[] = {{DNNL_ARG_DIFF_DST, c->y}, {DNNL_ARG_WEIGHTS, wm}, {DNNL_ARG_DIFF_SRC, c->x}};
    return run(c, c->data, 3, args);
}

int conv_backward_weights(conv *c, float *dw, const float *x, const float *dy) {
    omp_set_num_threads(1);
    weights *w = &c->wg;
    TRY(dnnl_memory_set_data_handle(w->plain, dw));
    TRY(dnnl_memory_set_data_handle(c->x, (void *)x));
    TRY(dnnl_memory_set_data_handle(c->y, (void *)dy));
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, c->x}, {DNNL_ARG_DIFF_DST, c->y}, {DNNL_ARG_DIFF_WEIGHTS, w->reorder ? w->packed : w->plain}};
    TRY(run(c, c->gradient, 3, args));
    if (!w->reorder) return dnnl_success;
    dnnl_exec_arg_t unpack[] = {{DNNL_ARG_FROM, w->packed}, {DNNL_ARG_TO, w->plain}};
    return run(c, w->reorder, 2, unpack);
}

int gemm(int trans_a, int trans_b, int m, int n, int k, const float *a, const float *b, float *c) {
    omp_set_num_threads(1);
    return dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1.0f, a, trans_a ? m : k, b, trans_b ? k : n,
                      0.0f, c, n);
}
