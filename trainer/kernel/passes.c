//go:build onednn

#include "passes.h"
#include <stdlib.h>
#include <string.h>

// Each pass is compiled for three instruction sets; the loader picks one.
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))

// The inner loops are written once, with flags for what is there; each call
// site passes constants, so that every combination becomes its own branch-free
// loop. WITH_LANES does the same for slabs as wide as a register, whose
// coefficients then stay in registers.
#define INLINE static inline __attribute__((always_inline))
#define REGISTER 16
#define WITH_LANES(v, ...)                      \
    do {                                        \
        if ((v).lanes == REGISTER) {            \
            enum { lanes = REGISTER };          \
            __VA_ARGS__;                        \
        } else {                                \
            const int lanes = (v).lanes;        \
            __VA_ARGS__;                        \
        }                                       \
    } while (0)

// elements is where a strip of rows begins, coefficients where its coefficients
// do.
INLINE size_t elements(view v, int block, int image, int slab) {
    return ((((size_t)block * v.images + image) * v.slabs + slab) * v.rows) * v.lanes;
}
INLINE size_t coefficients(view v, int block, int slab) { return ((size_t)block * v.slabs + slab) * v.lanes; }

// Sums are kept in float32 over a strip of rows and in double across strips:
// as fast as float32, and as exact as the statistics need.
enum { STRIP = 128 };

typedef struct {
    float *f1, *f2;
    double *d1, *d2;
    void *block;
} sums;

static sums sums_new(int lanes) {
    sums s;
    s.block = malloc((size_t)lanes * (2 * sizeof(float) + 2 * sizeof(double)));
    if (!s.block) abort();
    s.d1 = s.block;
    s.d2 = s.d1 + lanes;
    s.f1 = (float *)(s.d2 + lanes);
    s.f2 = s.f1 + lanes;
    return s;
}

static void sums_clear(sums s, int lanes) { memset(s.block, 0, (size_t)lanes * (2 * sizeof(float) + 2 * sizeof(double))); }

INLINE void sums_flush(float *restrict f, double *restrict d, int lanes) {
    for (int j = 0; j < lanes; j++) {
        d[j] += f[j];
        f[j] = 0;
    }
}

INLINE void moments_strip(float *restrict f1, float *restrict f2, const float *restrict x, const float *restrict k,
                          int rows, int lanes) {
    int r = 0;
    for (; r + 3 < rows; r += 4, x += 4 * (size_t)lanes) {
        for (int j = 0; j < lanes; j++) {
            float a0 = x[j] - k[j], a1 = x[j + lanes] - k[j], a2 = x[j + 2 * lanes] - k[j], a3 = x[j + 3 * lanes] - k[j];
            f1[j] += (a0 + a1) + (a2 + a3);
            f2[j] += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3);
        }
    }
    for (; r < rows; r++, x += lanes) {
        for (int j = 0; j < lanes; j++) {
            float a = x[j] - k[j];
            f1[j] += a;
            f2[j] += a * a;
        }
    }
}

// Deviations are taken from the block's first row, which keeps the one-pass
// variance exact however far the mean is from zero.
INLINE void moments_slab(float *mean, float *m2, const float *x, view v, int b, int slab, sums s, int lanes) {
    const float *k = x + elements(v, b, 0, slab);
    sums_clear(s, lanes);
    for (int i = 0; i < v.images; i++) {
        const float *strip = x + elements(v, b, i, slab);
        for (int r = 0; r < v.rows; r += STRIP) {
            int rows = r + STRIP < v.rows ? STRIP : v.rows - r;
            moments_strip(s.f1, s.f2, strip + (size_t)r * lanes, k, rows, lanes);
            sums_flush(s.f1, s.d1, lanes);
            sums_flush(s.f2, s.d2, lanes);
        }
    }
    double n = (double)v.images * v.rows;
    for (int j = 0; j < lanes; j++) {
        double mu = s.d1[j] / n, ss = s.d2[j] - s.d1[j] * mu;
        mean[j] = (float)(k[j] + mu);
        m2[j] = (float)(ss > 0 ? ss : 0);
    }
}

CLONES void pass_moments(float *mean, float *m2, const float *x, view v) {
    sums s = sums_new(v.lanes);
    for (int b = 0; b < v.blocks; b++) {
        for (int slab = 0; slab < v.slabs; slab++) {
            size_t c = coefficients(v, b, slab);
            WITH_LANES(v, moments_slab(mean + c, m2 + c, x, v, b, slab, s, lanes));
        }
    }
    free(s.block);
}

INLINE void scale_shift(float *restrict y, const float *restrict x, const float *restrict residual,
                        const float *restrict scale, const float *restrict shift, int rows, int lanes, float floor,
                        int has_residual, int has_scale) {
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * lanes;
        for (int j = 0; j < lanes; j++) {
            float v = x[at + j];
            if (has_scale) v *= scale[j];
            v += shift[j];
            if (has_residual) v += residual[at + j];
            y[at + j] = v < floor ? floor : v;
        }
    }
}

INLINE void scale_shift_strip(float *y, const float *x, const float *residual, const float *scale, const float *shift,
                              int rows, int lanes, float floor) {
    switch (2 * !!residual + !!scale) {
    case 0: scale_shift(y, x, residual, scale, shift, rows, lanes, floor, 0, 0); break;
    case 1: scale_shift(y, x, residual, scale, shift, rows, lanes, floor, 0, 1); break;
    case 2: scale_shift(y, x, residual, scale, shift, rows, lanes, floor, 1, 0); break;
    case 3: scale_shift(y, x, residual, scale, shift, rows, lanes, floor, 1, 1); break;
    }
}

// AT is p from element i on, or NULL.
#define AT(p, i) ((p) ? (p) + (i) : NULL)

// EACH_STRIP visits every strip of rows: block b, image i, slab.
#define EACH_STRIP(v)                                 \
    for (int b = 0; b < (v).blocks; b++)              \
        for (int i = 0; i < (v).images; i++)          \
            for (int slab = 0; slab < (v).slabs; slab++)

CLONES void pass_scale_shift(float *y, const float *x, const float *residual, const float *scale, const float *shift,
                             view v, int relu) {
    float floor = relu ? 0.0f : -__builtin_inff();
    EACH_STRIP(v) {
        size_t e = elements(v, b, i, slab), c = coefficients(v, b, slab);
        WITH_LANES(v, scale_shift_strip(y + e, x + e, AT(residual, e), AT(scale, c), shift + c, v.rows, lanes, floor));
    }
}

INLINE void grad_sums(float *restrict f1, float *restrict f2, const float *restrict dy, const float *restrict y,
                      const float *restrict x, const float *restrict center, int rows, int lanes, int has_y, int has_x) {
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * lanes;
        for (int j = 0; j < lanes; j++) {
            float g = dy[at + j];
            if (has_y) g = y[at + j] > 0 ? g : 0;
            f1[j] += g;
            if (has_x) f2[j] += g * (x[at + j] - center[j]);
        }
    }
}

INLINE void grad_sums_strip(float *f1, float *f2, const float *dy, const float *y, const float *x, const float *center,
                            int rows, int lanes) {
    switch (2 * !!y + !!x) {
    case 0: grad_sums(f1, f2, dy, y, x, center, rows, lanes, 0, 0); break;
    case 1: grad_sums(f1, f2, dy, y, x, center, rows, lanes, 0, 1); break;
    case 2: grad_sums(f1, f2, dy, y, x, center, rows, lanes, 1, 0); break;
    case 3: grad_sums(f1, f2, dy, y, x, center, rows, lanes, 1, 1); break;
    }
}

INLINE void grad_moments_slab(float *sum_g, float *sum_gx, const float *dy, const float *y, const float *x,
                              const float *center, view v, int b, int slab, sums s, int lanes) {
    sums_clear(s, lanes);
    for (int i = 0; i < v.images; i++) {
        for (int r = 0; r < v.rows; r += STRIP) {
            int rows = r + STRIP < v.rows ? STRIP : v.rows - r;
            size_t e = elements(v, b, i, slab) + (size_t)r * lanes;
            grad_sums_strip(s.f1, s.f2, dy + e, AT(y, e), AT(x, e), center, rows, lanes);
            sums_flush(s.f1, s.d1, lanes);
            sums_flush(s.f2, s.d2, lanes);
        }
    }
    for (int j = 0; j < lanes; j++) {
        sum_g[j] = (float)s.d1[j];
        if (sum_gx) sum_gx[j] = (float)s.d2[j];
    }
}

CLONES void pass_grad_moments(float *sum_g, float *sum_gx, const float *dy, const float *y, const float *x,
                              const float *center, view v) {
    sums s = sums_new(v.lanes);
    if (!sum_gx) x = NULL;
    for (int b = 0; b < v.blocks; b++) {
        for (int slab = 0; slab < v.slabs; slab++) {
            size_t c = coefficients(v, b, slab);
            WITH_LANES(v, grad_moments_slab(sum_g + c, AT(sum_gx, c), dy, y, x, AT(center, c), v, b, slab, s, lanes));
        }
    }
    free(s.block);
}

INLINE void grad_apply(float *restrict dx, float *restrict dres, const float *restrict dy, const float *restrict y,
                       const float *restrict x, const float *restrict scale, const float *restrict slope,
                       const float *restrict shift, int rows, int lanes, int has_res, int has_y, int has_scale,
                       int has_slope) {
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * lanes;
        for (int j = 0; j < lanes; j++) {
            float g = dy[at + j];
            if (has_y) g = y[at + j] > 0 ? g : 0;
            if (has_res) dres[at + j] = g;
            if (has_scale) g *= scale[j];
            if (has_slope) g += x[at + j] * slope[j] + shift[j];
            dx[at + j] = g;
        }
    }
}

INLINE void grad_apply_strip(float *dx, float *dres, const float *dy, const float *y, const float *x,
                             const float *scale, const float *slope, const float *shift, int rows, int lanes) {
#define CASE(n, res, relu, sc, sl) \
    case n: grad_apply(dx, dres, dy, y, x, scale, slope, shift, rows, lanes, res, relu, sc, sl); break
    switch (8 * !!dres + 4 * !!y + 2 * !!scale + !!slope) {
        CASE(0, 0, 0, 0, 0);
        CASE(1, 0, 0, 0, 1);
        CASE(2, 0, 0, 1, 0);
        CASE(3, 0, 0, 1, 1);
        CASE(4, 0, 1, 0, 0);
        CASE(5, 0, 1, 0, 1);
        CASE(6, 0, 1, 1, 0);
        CASE(7, 0, 1, 1, 1);
        CASE(8, 1, 0, 0, 0);
        CASE(9, 1, 0, 0, 1);
        CASE(10, 1, 0, 1, 0);
        CASE(11, 1, 0, 1, 1);
        CASE(12, 1, 1, 0, 0);
        CASE(13, 1, 1, 0, 1);
        CASE(14, 1, 1, 1, 0);
        CASE(15, 1, 1, 1, 1);
    }
#undef CASE
}

CLONES void pass_grad_apply(float *dx, float *dres, const float *dy, const float *y, const float *x, const float *scale,
                            const float *slope, const float *shift, view v) {
    EACH_STRIP(v) {
        size_t e = elements(v, b, i, slab), c = coefficients(v, b, slab);
        WITH_LANES(v, grad_apply_strip(dx + e, AT(dres, e), dy + e, AT(y, e), AT(x, e), AT(scale, c), AT(slope, c),
                                       AT(shift, c), v.rows, lanes));
    }
}

CLONES void pass_mean_rows(float *y, const float *x, view v) {
    int channels = v.slabs * v.lanes;
    float n = (float)v.images * (float)v.rows;
    memset(y, 0, (size_t)v.blocks * channels * sizeof *y);
    EACH_STRIP(v) {
        const float *restrict in = x + elements(v, b, i, slab);
        float *restrict out = y + coefficients(v, b, slab);
        for (int r = 0; r < v.rows; r++, in += v.lanes) {
            for (int j = 0; j < v.lanes; j++) out[j] += in[j];
        }
    }
    for (int j = 0; j < v.blocks * channels; j++) y[j] /= n;
}

CLONES void pass_spread_rows(float *dx, const float *dy, view v) {
    float n = (float)v.images * (float)v.rows;
    EACH_STRIP(v) {
        const float *restrict in = dy + coefficients(v, b, slab);
        float *restrict out = dx + elements(v, b, i, slab);
        for (int r = 0; r < v.rows; r++, out += v.lanes) {
            for (int j = 0; j < v.lanes; j++) out[j] = in[j] / n;
        }
    }
}
