//go:build onednn

#include "passes.h"
#include <stdlib.h>
#include <string.h>

// Each pass is compiled for three instruction sets; the loader picks one.
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))

// Sums are kept in float32 over a strip of rows and in double across strips:
// as fast as float32, and as exact as the statistics need.
enum { STRIP = 128 };

typedef struct {
    float *f1, *f2;
    double *d1, *d2;
    void *block;
} sums;

static sums sums_new(int c) {
    sums s;
    s.block = malloc((size_t)c * (2 * sizeof(float) + 2 * sizeof(double)));
    if (!s.block) abort();
    s.d1 = s.block;
    s.d2 = s.d1 + c;
    s.f1 = (float *)(s.d2 + c);
    s.f2 = s.f1 + c;
    return s;
}

CLONES static void sums_flush(float *restrict f, double *restrict d, int c) {
    for (int j = 0; j < c; j++) {
        d[j] += f[j];
        f[j] = 0;
    }
}

static void sums_clear(sums s, int c) { memset(s.block, 0, (size_t)c * (2 * sizeof(float) + 2 * sizeof(double))); }

// Deviations are taken from the block's first row, which keeps the one-pass
// variance exact however far the mean is from zero.
CLONES void pass_moments(float *mean, float *m2, const float *x, int blocks, int rows, int c) {
    sums s = sums_new(c);
    for (int b = 0; b < blocks; b++, x += (size_t)rows * c, mean += c, m2 += c) {
        sums_clear(s, c);
        const float *restrict k = x;
        float *restrict f1 = s.f1, *restrict f2 = s.f2;
        for (int r0 = 0; r0 < rows; r0 += STRIP) {
            int r1 = r0 + STRIP < rows ? r0 + STRIP : rows, r = r0;
            for (; r + 3 < r1; r += 4) {
                const float *restrict p = x + (size_t)r * c;
                for (int j = 0; j < c; j++) {
                    float a0 = p[j] - k[j], a1 = p[j + c] - k[j], a2 = p[j + 2 * c] - k[j], a3 = p[j + 3 * c] - k[j];
                    f1[j] += (a0 + a1) + (a2 + a3);
                    f2[j] += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3);
                }
            }
            for (; r < r1; r++) {
                const float *restrict p = x + (size_t)r * c;
                for (int j = 0; j < c; j++) {
                    float a = p[j] - k[j];
                    f1[j] += a;
                    f2[j] += a * a;
                }
            }
            sums_flush(f1, s.d1, c);
            sums_flush(f2, s.d2, c);
        }
        for (int j = 0; j < c; j++) {
            double mu = s.d1[j] / rows, ss = s.d2[j] - s.d1[j] * mu;
            mean[j] = (float)(k[j] + mu);
            m2[j] = (float)(ss > 0 ? ss : 0);
        }
    }
    free(s.block);
}

// The inner loops below are written once, with flags for what is there; each
// call site passes constants, so that every combination becomes its own
// branch-free, vectorized loop.
#define INLINE static inline __attribute__((always_inline))

INLINE void scale_shift(float *restrict y, const float *restrict x, const float *restrict residual,
                        const float *restrict scale, const float *restrict shift, int blocks, int rows, int c,
                        float floor, int has_residual, int has_scale) {
    for (int b = 0; b < blocks; b++) {
        for (int r = 0; r < rows; r++) {
            size_t at = ((size_t)b * rows + r) * c;
            for (int j = 0; j < c; j++) {
                float v = x[at + j];
                if (has_scale) v *= scale[b * c + j];
                v += shift[b * c + j];
                if (has_residual) v += residual[at + j];
                y[at + j] = v < floor ? floor : v;
            }
        }
    }
}

CLONES void pass_scale_shift(float *y, const float *x, const float *residual, const float *scale, const float *shift,
                             int blocks, int rows, int c, int relu) {
    float floor = relu ? 0.0f : -__builtin_inff();
    switch (2 * !!residual + !!scale) {
    case 0: scale_shift(y, x, residual, scale, shift, blocks, rows, c, floor, 0, 0); break;
    case 1: scale_shift(y, x, residual, scale, shift, blocks, rows, c, floor, 0, 1); break;
    case 2: scale_shift(y, x, residual, scale, shift, blocks, rows, c, floor, 1, 0); break;
    case 3: scale_shift(y, x, residual, scale, shift, blocks, rows, c, floor, 1, 1); break;
    }
}

INLINE void grad_strip(float *restrict f1, float *restrict f2, const float *restrict dy, const float *restrict y,
                       const float *restrict x, const float *restrict center, int rows, int c, int has_y, int has_x) {
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * c;
        for (int j = 0; j < c; j++) {
            float g = dy[at + j];
            if (has_y) g = y[at + j] > 0 ? g : 0;
            f1[j] += g;
            if (has_x) f2[j] += g * (x[at + j] - center[j]);
        }
    }
}

CLONES void pass_grad_moments(float *sum_g, float *sum_gx, const float *dy, const float *y, const float *x,
                              const float *center, int blocks, int rows, int c) {
    sums s = sums_new(c);
    for (int b = 0; b < blocks; b++) {
        sums_clear(s, c);
        for (int r = 0; r < rows; r += STRIP) {
            int n = r + STRIP < rows ? STRIP : rows - r;
            size_t at = ((size_t)b * rows + r) * c;
            const float *pg = dy + at, *py = y ? y + at : NULL, *px = x + at, *pc = center + (size_t)b * c;
            switch (2 * !!y + !!sum_gx) {
            case 0: grad_strip(s.f1, s.f2, pg, py, px, pc, n, c, 0, 0); break;
            case 1: grad_strip(s.f1, s.f2, pg, py, px, pc, n, c, 0, 1); break;
            case 2: grad_strip(s.f1, s.f2, pg, py, px, pc, n, c, 1, 0); break;
            case 3: grad_strip(s.f1, s.f2, pg, py, px, pc, n, c, 1, 1); break;
            }
            sums_flush(s.f1, s.d1, c);
            sums_flush(s.f2, s.d2, c);
        }
        for (int j = 0; j < c; j++) {
            sum_g[b * c + j] = (float)s.d1[j];
            if (sum_gx) sum_gx[b * c + j] = (float)s.d2[j];
        }
    }
    free(s.block);
}

INLINE void grad_apply(float *restrict dx, float *restrict dres, const float *restrict dy, const float *restrict y,
                       const float *restrict x, const float *restrict scale, const float *restrict slope,
                       const float *restrict shift, int blocks, int rows, int c, int has_res, int has_y,
                       int has_scale, int has_slope) {
    for (int b = 0; b < blocks; b++) {
        for (int r = 0; r < rows; r++) {
            size_t at = ((size_t)b * rows + r) * c;
            for (int j = 0; j < c; j++) {
                float g = dy[at + j];
                if (has_y) g = y[at + j] > 0 ? g : 0;
                if (has_res) dres[at + j] = g;
                if (has_scale) g *= scale[b * c + j];
                if (has_slope) g += x[at + j] * slope[b * c + j] + shift[b * c + j];
                dx[at + j] = g;
            }
        }
    }
}

CLONES void pass_grad_apply(float *dx, float *dres, const float *dy, const float *y, const float *x, const float *scale,
                            const float *slope, const float *shift, int blocks, int rows, int c) {
#define CASE(n, res, relu, sc, sl) \
    case n: grad_apply(dx, dres, dy, y, x, scale, slope, shift, blocks, rows, c, res, relu, sc, sl); break
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

CLONES void pass_mean_rows(float *y, const float *x, int blocks, int rows, int c) {
    float n = (float)rows;
    for (int b = 0; b < blocks; b++, y += c) {
        float *restrict out = y;
        memset(out, 0, (size_t)c * sizeof(float));
        for (int r = 0; r < rows; r++, x += c) {
            const float *restrict in = x;
            for (int j = 0; j < c; j++) out[j] += in[j];
        }
        for (int j = 0; j < c; j++) out[j] /= n;
    }
}

CLONES void pass_spread_rows(float *dx, const float *dy, int blocks, int rows, int c) {
    float n = (float)rows;
    for (int b = 0; b < blocks; b++, dy += c) {
        for (int r = 0; r < rows; r++, dx += c) {
            float *restrict out = dx;
            const float *restrict in = dy;
            for (int j = 0; j < c; j++) out[j] = in[j] / n;
        }
    }
}
