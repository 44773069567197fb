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

enum { INPUT, WEIGHTS, OUTPUT, TENSORS };

// A tensor as the caller has it and as a primitive prefers it, and the reorder
// between the two. If they are the same, inside and reorder are NULL.
typedef struct {
    dnnl_memory_t outside, inside;
    dnnl_primitive_t reorder;
} operand;

// One direction of a convolution. The last operand is the result.
typedef struct {
    dnnl_primitive_t primitive; // NULL until it is first used
    operand operands[TENSORS];
    dnnl_memory_t scratch;
    int winograd;
} direction;

struct conv {
    conv_shape shape;
    direction forward, data, weights;
};

// All convolutions take turns, so there is one of each.
static dnnl_engine_t engine;
static dnnl_stream_t stream;

// How oneDNN calls the operands of a direction.
typedef struct {
    dnnl_status_t (*describe)(dnnl_convolution_desc_t *, dnnl_alg_kind_t, const conv_shape *,
                              const dnnl_memory_desc_t tensors[TENSORS]);
    int tensors[TENSORS];
    dnnl_query_t queries[TENSORS];
    int roles[TENSORS];
    int planes; // has kernels between planes and slabs
} calling;

int conv_lanes(void) {
    int wanted = dnnl_cpu_isa_avx512_core;
    return (dnnl_get_effective_cpu_isa() & wanted) == wanted ? 16 : 0;
}

static dnnl_format_tag_t layout(int channels) {
    int lanes = conv_lanes();
    return lanes && channels % lanes == 0 ? dnnl_nChw16c : dnnl_nhwc;
}

static dnnl_status_t tensors_init(dnnl_memory_desc_t t[TENSORS], const conv_shape *s, dnnl_format_tag_t x,
                                  dnnl_format_tag_t w, dnnl_format_tag_t y) {
    dnnl_dim_t oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1, ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    dnnl_dims_t xd = {s->n, s->in, s->h, s->w}, wd = {s->out, s->in, s->kernel, s->kernel}, yd = {s->n, s->out, oh, ow};
    TRY(dnnl_memory_desc_init_by_tag(&t[INPUT], 4, xd, dnnl_f32, x));
    TRY(dnnl_memory_desc_init_by_tag(&t[WEIGHTS], 4, wd, dnnl_f32, w));
    return dnnl_memory_desc_init_by_tag(&t[OUTPUT], 4, yd, dnnl_f32, y);
}

// The layouts that the caller has.
static dnnl_status_t callers(dnnl_memory_desc_t t[TENSORS], const conv_shape *s) {
    return tensors_init(t, s, layout(s->in), dnnl_ohwi, layout(s->out));
}

// The layouts that a primitive is asked for: the caller's if both sides have
// the same one; planes for the few channels of an image; else NHWC, which goes
// with every number of channels.
static dnnl_status_t preferred(dnnl_memory_desc_t t[TENSORS], const conv_shape *s, const calling *how) {
    dnnl_format_tag_t x = layout(s->in), y = layout(s->out);
    if (x != y && s->in <= 4 && how->planes) {
        x = dnnl_nchw;
    } else if (x != y) {
        x = y = dnnl_nhwc;
    }
    return tensors_init(t, s, x, dnnl_format_tag_any, y);
}

static dnnl_status_t describe_forward(dnnl_convolution_desc_t *d, dnnl_alg_kind_t algorithm, const conv_shape *s,
                                      const dnnl_memory_desc_t t[TENSORS]) {
    dnnl_dims_t strides = {s->stride, s->stride}, pads = {s->pad, s->pad};
    return dnnl_convolution_forward_desc_init(d, dnnl_forward_training, algorithm, &t[INPUT], &t[WEIGHTS], NULL,
                                              &t[OUTPUT], strides, pads, pads);
}

static dnnl_status_t describe_data(dnnl_convolution_desc_t *d, dnnl_alg_kind_t algorithm, const conv_shape *s,
                                   const dnnl_memory_desc_t t[TENSORS]) {
    dnnl_dims_t strides = {s->stride, s->stride}, pads = {s->pad, s->pad};
    return dnnl_convolution_backward_data_desc_init(d, algorithm, &t[INPUT], &t[WEIGHTS], &t[OUTPUT], strides, pads,
                                                    pads);
}

static dnnl_status_t describe_weights(dnnl_convolution_desc_t *d, dnnl_alg_kind_t algorithm, const conv_shape *s,
                                      const dnnl_memory_desc_t t[TENSORS]) {
    dnnl_dims_t strides = {s->stride, s->stride}, pads = {s->pad, s->pad};
    return dnnl_convolution_backward_weights_desc_init(d, algorithm, &t[INPUT], &t[WEIGHTS], NULL, &t[OUTPUT], strides,
                                                       pads, pads);
}

static const calling forward = {describe_forward,
                                {INPUT, WEIGHTS, OUTPUT},
                                {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
                                {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                1};
static const calling data = {describe_data,
                             {OUTPUT, WEIGHTS, INPUT},
                             {dnnl_query_diff_dst_md, dnnl_query_weights_md, dnnl_query_diff_src_md},
                             {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
                             0};
static const calling weights = {describe_weights,
                                {INPUT, OUTPUT, WEIGHTS},
                                {dnnl_query_src_md, dnnl_query_diff_dst_md, dnnl_query_diff_weights_md},
                                {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS},
                                1};

// Winograd's algorithm needs a quarter of the multiplications. With few
// channels its transformations cost more than that saves.
static dnnl_alg_kind_t first_choice(const conv_shape *s) {
    int fits = s->kernel == 3 && s->stride == 1 && s->in >= 32 && s->out >= 32;
    return fits ? dnnl_convolution_winograd : dnnl_convolution_direct;
}

static dnnl_status_t choose_as(dnnl_primitive_desc_t *pd, const conv *c, const calling *how, dnnl_alg_kind_t algorithm,
                               dnnl_primitive_attr_t attr) {
    dnnl_memory_desc_t t[TENSORS];
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t hint = NULL;
    TRY(preferred(t, &c->shape, how));
    if (how != &forward) {
        TRY(describe_forward(&d, algorithm, &c->shape, t));
        TRY(dnnl_primitive_desc_create(&hint, &d, attr, engine, NULL));
    }
    dnnl_status_t s = how->describe(&d, algorithm, &c->shape, t);
    if (s == dnnl_success) s = dnnl_primitive_desc_create(pd, &d, attr, engine, hint);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return s;
}

// choose finds oneDNN's primitive for a direction. The same shape gets the same
// algorithm on the same machine, or none.
static dnnl_status_t choose(dnnl_primitive_desc_t *pd, dnnl_alg_kind_t *algorithm, const conv *c, const calling *how) {
    dnnl_primitive_attr_t attr;
    TRY(dnnl_primitive_attr_create(&attr));
    dnnl_status_t s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (s == dnnl_success) {
        *algorithm = first_choice(&c->shape);
        s = choose_as(pd, c, how, *algorithm, attr);
        if (s == dnnl_unimplemented) {
            *algorithm = dnnl_convolution_direct;
            s = choose_as(pd, c, how, *algorithm, attr);
        }
    }
    dnnl_primitive_attr_destroy(attr);
    return s;
}

static dnnl_status_t operand_init(operand *o, const dnnl_memory_desc_t *outside, const dnnl_memory_desc_t *inside,
                                  int result) {
    TRY(dnnl_memory_create(&o->outside, outside, engine, DNNL_MEMORY_NONE));
    if (dnnl_memory_desc_equal(outside, inside)) return dnnl_success;
    TRY(dnnl_memory_create(&o->inside, inside, engine, DNNL_MEMORY_ALLOCATE));
    dnnl_primitive_desc_t pd;
    const dnnl_memory_desc_t *from = result ? inside : outside, *to = result ? outside : inside;
    TRY(dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL));
    dnnl_status_t s = dnnl_primitive_create(&o->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return s;
}

static void operand_free(operand *o) {
    if (o->outside) dnnl_memory_destroy(o->outside);
    if (o->inside) dnnl_memory_destroy(o->inside);
    if (o->reorder) dnnl_primitive_destroy(o->reorder);
}

static dnnl_status_t direction_init_as(direction *d, const conv *c, const calling *how, dnnl_primitive_desc_t pd) {
    dnnl_memory_desc_t outside[TENSORS];
    TRY(callers(outside, &c->shape));
    for (int i = 0; i < TENSORS; i++) {
        const dnnl_memory_desc_t *inside = dnnl_primitive_desc_query_md(pd, how->queries[i], 0);
        TRY(operand_init(&d->operands[i], &outside[how->tensors[i]], inside, i == TENSORS - 1));
    }
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    TRY(dnnl_memory_create(&d->scratch, scratch, engine, DNNL_MEMORY_NONE));
    return dnnl_primitive_create(&d->primitive, pd);
}

static void direction_free(direction *d) {
    if (d->primitive) dnnl_primitive_destroy(d->primitive);
    for (int i = 0; i < TENSORS; i++) operand_free(&d->operands[i]);
    if (d->scratch) dnnl_memory_destroy(d->scratch);
    *d = (direction){0};
}

static dnnl_status_t direction_init(direction *d, const conv *c, const calling *how) {
    dnnl_primitive_desc_t pd;
    dnnl_alg_kind_t algorithm;
    TRY(choose(&pd, &algorithm, c, how));
    dnnl_status_t s = direction_init_as(d, c, how, pd);
    dnnl_primitive_desc_destroy(pd);
    if (s != dnnl_success) direction_free(d);
    d->winograd = algorithm == dnnl_convolution_winograd;
    return s;
}

conv *conv_new(conv_shape shape) {
    conv *c = calloc(1, sizeof *c);
    if (c) c->shape = shape;
    return c;
}

void conv_free(conv *c) {
    direction_free(&c->forward);
    direction_free(&c->data);
    direction_free(&c->weights);
    free(c);
}

int conv_winograd(const conv *c) { return c->forward.winograd && c->data.winograd && c->weights.winograd; }

static dnnl_status_t engine_init(void) {
    if (!engine) TRY(dnnl_engine_create(&engine, dnnl_cpu, 0));
    return stream ? dnnl_success : dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
}

static dnnl_status_t execute(dnnl_primitive_t p, int n, const dnnl_exec_arg_t *args) {
    TRY(dnnl_primitive_execute(p, stream, n, args));
    return dnnl_stream_wait(stream);
}

static dnnl_status_t reorder(operand *o, int result) {
    if (!o->reorder) return dnnl_success;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, result ? o->inside : o->outside},
                              {DNNL_ARG_TO, result ? o->outside : o->inside}};
    return execute(o->reorder, 2, args);
}

// scratch_in lends the direction memory to work in. There is one for all
// convolutions, since they take turns.
static dnnl_status_t scratch_in(direction *d) {
    static void *scratch;
    static size_t have;
    const dnnl_memory_desc_t *md;
    TRY(dnnl_memory_get_memory_desc(d->scratch, &md));
    size_t need = (dnnl_memory_desc_get_size(md) + 4095) / 4096 * 4096;
    if (need > have) {
        free(scratch);
        scratch = aligned_alloc(4096, need);
        have = scratch ? need : 0;
        if (!scratch) return dnnl_out_of_memory;
    }
    return dnnl_memory_set_data_handle(d->scratch, scratch);
}

static dnnl_status_t run(const conv *c, direction *d, const calling *how, const float *a, const float *b,
                         float *result) {
    omp_set_num_threads(1);
    TRY(engine_init());
    if (!d->primitive) TRY(direction_init(d, c, how));
    const void *outside[TENSORS] = {a, b, result};
    dnnl_exec_arg_t args[TENSORS + 1];
    for (int i = 0; i < TENSORS; i++) {
        operand *o = &d->operands[i];
        TRY(dnnl_memory_set_data_handle(o->outside, (void *)outside[i]));
        if (i < TENSORS - 1) TRY(reorder(o, 0));
        args[i] = (dnnl_exec_arg_t){how->roles[i], o->inside ? o->inside : o->outside};
    }
    TRY(scratch_in(d));
    args[TENSORS] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, d->scratch};
    TRY(execute(d->primitive, TENSORS + 1, args));
    return reorder(&d->operands[TENSORS - 1], 1);
}

int conv_forward(conv *c, float *y, const float *x, const float *w) { return run(c, &c->forward, &forward, x, w, y); }

int conv_backward_data(conv *c, float *dx, const float *dy, const float *w) {
    return run(c, &c->data, &data, dy, w, dx);
}

int conv_backward_weights(conv *c, float *dw, const float *x, const float *dy) {
    return run(c, &c->weights, &weights, x, dy, dw);
}

int gemm(int trans_a, int trans_b, int m, int n, int k, const float *a, const float *b, float *c) {
    omp_set_num_threads(1);
    return dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, 1.0f, a, trans_a ? m : k, b, trans_b ? k : n,
                      0.0f, c, n);
}
