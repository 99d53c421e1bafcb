/* 3x3 convolutions, stride 1, padding 1, float32, channels last, forward and backward.

   Winograd's minimal filtering F(4x4, 3x3) and F(6x6, 3x3) (Lavin & Gray 2016) for maps of many channels: 4 and 5
   times fewer multiplications than the direct way. A block of tiles stays in cache: patches are transformed, multiplied
   and transformed back before the next block begins.

   Shapes: x (n, h, w, ci), y (n, h, w, co), weights (3, 3, ci, co). Channels in multiples of mien_wide(). A tile is m x m of the result, a = m + 2 its side with the margin; e counts the a * a transformed points.
   Results do not depend on anything but the arguments: sums are always taken in the same order. */

#include <stdlib.h>
#include <string.h>

/* A panel of columns is two vectors wide; ROWS of it fill the registers. */
#ifdef __AVX512F__
#define LANES 16
#define ROWS 12
#elif defined(__AVX__)
#define LANES 8
#define ROWS 6
#else
#define LANES 4
#define ROWS 6
#endif
#define PANEL 2
#define WIDE (PANEL * LANES)
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));

static inline vec load(const float *p) { return *(const vec *)p; }
static inline void store(float *p, vec v) { *(vec *)p = v; }

/* One-dimensional transforms, on vectors of channels `s` apart in `in` and `t` apart in `out`.
   input: B^T d (a from a), output: A^T m (m from a), spread: A y (a from m), the adjoint of output. */

static inline __attribute__((always_inline)) void input4(const vec *d, int s, vec *o, int t) {
    vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    o[0] = 4 * d0 - 5 * d2 + d4;
    vec e = d4 - 4 * d2, f = d3 - 4 * d1;
    o[t] = e + f, o[2 * t] = e - f;
    e = d4 - d2, f = 2 * (d3 - d1);
    o[3 * t] = e + f, o[4 * t] = e - f;
    o[5 * t] = 4 * d1 - 5 * d3 + d5;
}

static inline __attribute__((always_inline)) void output4(const vec *m, int s, vec *o, int t) {
    vec p = m[s] + m[2 * s], q = m[s] - m[2 * s], r = m[3 * s] + m[4 * s], u = m[3 * s] - m[4 * s];
    o[0] = m[0] + p + r;
    o[t] = q + 2 * u;
    o[2 * t] = p + 4 * r;
    o[3 * t] = q + 8 * u + m[5 * s];
}

static inline __attribute__((always_inline)) void spread4(const vec *y, int s, vec *o, int t) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    o[0] = y0;
    vec e = y0 + y2, f = y1 + y3;
    o[t] = e + f, o[2 * t] = e - f;
    e = y0 + 4 * y2, f = 2 * y1 + 8 * y3;
    o[3 * t] = e + f, o[4 * t] = e - f;
    o[5 * t] = y3;
}

static inline __attribute__((always_inline)) void input6(const vec *d, int s, vec *o, int t) {
    vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s], d6 = d[6 * s], d7 = d[7 * s];
    o[0] = d0 - d6 + 5.25f * (d4 - d2);
    vec e = d2 + d6 - 4.25f * d4, f = d1 + d5 - 4.25f * d3;
    o[t] = e + f, o[2 * t] = e - f;
    e = d6 + 0.25f * d2 - 1.25f * d4, f = 0.5f * d1 - 2.5f * d3 + 2 * d5;
    o[3 * t] = e + f, o[4 * t] = e - f;
    e = d6 + 4 * d2 - 5 * d4, f = 2 * d1 - 2.5f * d3 + 0.5f * d5;
    o[5 * t] = e + f, o[6 * t] = e - f;
    o[7 * t] = d7 - d1 + 5.25f * (d3 - d5);
}

static inline __attribute__((always_inline)) void output6(const vec *m, int s, vec *o, int t) {
    vec p = m[s] + m[2 * s], q = m[s] - m[2 * s], r = m[3 * s] + m[4 * s], u = m[3 * s] - m[4 * s];
    vec v = m[5 * s] + m[6 * s], w = m[5 * s] - m[6 * s];
    o[0] = m[0] + p + r + v;
    o[t] = q + 2 * u + 0.5f * w;
    o[2 * t] = p + 4 * r + 0.25f * v;
    o[3 * t] = q + 8 * u + 0.125f * w;
    o[4 * t] = p + 16 * r + 0.0625f * v;
    o[5 * t] = q + 32 * u + 0.03125f * w + m[7 * s];
}

static inline __attribute__((always_inline)) void spread6(const vec *y, int s, vec *o, int t) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s], y4 = y[4 * s], y5 = y[5 * s];
    o[0] = y0;
    vec e = y0 + y2 + y4, f = y1 + y3 + y5;
    o[t] = e + f, o[2 * t] = e - f;
    e = y0 + 4 * y2 + 16 * y4, f = 2 * y1 + 8 * y3 + 32 * y5;
    o[3 * t] = e + f, o[4 * t] = e - f;
    e = y0 + 0.25f * y2 + 0.0625f * y4, f = 0.5f * y1 + 0.125f * y3 + 0.03125f * y5;
    o[5 * t] = e + f, o[6 * t] = e - f;
    o[7 * t] = y5;
}

static const float G4[6][3] = {{1 / 4.f, 0, 0},
                               {-1 / 6.f, -1 / 6.f, -1 / 6.f},
                               {-1 / 6.f, 1 / 6.f, -1 / 6.f},
                               {1 / 24.f, 1 / 12.f, 1 / 6.f},
                               {1 / 24.f, -1 / 12.f, 1 / 6.f},
                               {0, 0, 1}};
static const float G6[8][3] = {{1, 0, 0},
                               {-2 / 9.f, -2 / 9.f, -2 / 9.f},
                               {-2 / 9.f, 2 / 9.f, -2 / 9.f},
                               {1 / 90.f, 1 / 45.f, 2 / 45.f},
                               {1 / 90.f, -1 / 45.f, 2 / 45.f},
                               {32 / 45.f, 16 / 45.f, 8 / 45.f},
                               {32 / 45.f, -16 / 45.f, 8 / 45.f},
                               {0, 0, 1}};

/* Memory of a thread, kept from call to call. */
static float *scratch(int which, size_t floats) {
    static __thread float *held[3];
    static __thread size_t size[3];
    if (size[which] < floats) {
        free(held[which]);
        held[which] = aligned_alloc(4096, (floats * 4 + 4095) / 4096 * 4096);
        size[which] = held[which] ? floats : 0;
    }
    return held[which];
}

/* c[i][:] (+)= sum_k a[i][k] b[k][:] for R rows and a panel of columns. Rows of a are `lda` apart and its columns
   `step`, rows of b are `ldb` apart. */
static inline __attribute__((always_inline)) void product(int R, int depth, const float *a, size_t lda, size_t step,
                                                          const float *b, size_t ldb, float *c, size_t ldc, int add) {
    vec sum[ROWS][PANEL];
    for (int i = 0; i < R; i++)
        for (int j = 0; j < PANEL; j++) sum[i][j] = add ? load(c + i * ldc + j * LANES) : (vec){0};
    for (int k = 0; k < depth; k++) {
        vec right[PANEL];
        for (int j = 0; j < PANEL; j++) right[j] = load(b + k * ldb + j * LANES);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < PANEL; j++) sum[i][j] += a[i * lda + k * step] * right[j];
    }
    for (int i = 0; i < R; i++)
        for (int j = 0; j < PANEL; j++) store(c + i * ldc + j * LANES, sum[i][j]);
}

static void rows(int count, int depth, const float *a, size_t lda, size_t step, const float *b, size_t ldb, float *c,
                 size_t ldc, int add) {
    int i = 0;
    for (; i + ROWS <= count; i += ROWS) product(ROWS, depth, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, add);
    for (; i + 4 <= count; i += 4) product(4, depth, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, add);
    for (; i + 2 <= count; i += 2) product(2, depth, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, add);
    for (; i < count; i++) product(1, depth, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, add);
}

/* How many tiles make a block: few enough to stay in cache beside what they come from, many enough to be worth fetching
   the weights for. 2^17 floats are a quarter of a cache of 2 MB. */
static int block_tiles(int a, int ci, int co, int tiles) {
    int fit = (int)(131072 / ((size_t)a * a * (ci + co))), worth = ci * co / 512;
    int block = fit > worth ? fit : worth;
    return block < tiles ? block : tiles;
}

#define DEFINE(M, A)                                                                                                    \
    /* u (a*a, panels, ci, WIDE) out of weights w (3, 3, ci, co), taps in reverse order with `turn` */                  \
    static void weights##M(const float *w, int ci, int co, int turn, float *u, int threads) {                           \
        size_t point = (size_t)ci * co;                                                                                 \
        _Pragma("omp parallel for num_threads(threads) schedule(static)")                                               \
        for (int p = 0; p < co; p += LANES)                                                                             \
            for (int i = 0; i < ci; i++) {                                                                              \
                vec g[3][3], half[A][3], full[A];                                                                       \
                for (int r = 0; r < 9; r++)                                                                             \
                    g[r / 3][r % 3] = load(w + (turn ? 8 - r : r) * point + (size_t)i * co + p);                        \
                for (int e = 0; e < A; e++)                                                                             \
                    for (int s = 0; s < 3; s++)                                                                         \
                        half[e][s] = G##M[e][0] * g[0][s] + G##M[e][1] * g[1][s] + G##M[e][2] * g[2][s];                \
                size_t place = (size_t)(p / WIDE) * ci * WIDE + (size_t)i * WIDE + p % WIDE;                            \
                for (int e = 0; e < A; e++) {                                                                           \
                    for (int f = 0; f < A; f++)                                                                         \
                        full[f] = G##M[f][0] * half[e][0] + G##M[f][1] * half[e][1] + G##M[f][2] * half[e][2];          \
                    for (int f = 0; f < A; f++) store(u + (e * A + f) * point + place, full[f]);                        \
                }                                                                                                       \
            }                                                                                                           \
    }                                                                                                                   \
                                                                                                                        \
    /* tiles first .. first+count of x into v (a*a, ld): margins outside the picture are zero */                        \
    static void gather##M(const float *x, int h, int w, int c, int across, int per, int first, int count, float *v,     \
                          size_t ld) {                                                                                  \
        for (int t = 0; t < count; t++) {                                                                               \
            int n = (first + t) / per, rest = (first + t) % per;                                                        \
            int top = rest / across * M - 1, left = rest % across * M - 1;                                              \
            const float *picture = x + (size_t)n * h * w * c;                                                           \
            for (int k = 0; k < c; k += LANES) {                                                                        \
                vec d[A * A], half[A * A], full[A];                                                                     \
                for (int i = 0; i < A; i++)                                                                             \
                    for (int j = 0; j < A; j++) {                                                                       \
                        int r = top + i, s = left + j;                                                                  \
                        d[i * A + j] = r >= 0 && r < h && s >= 0 && s < w                                               \
                                           ? load(picture + ((size_t)r * w + s) * c + k)                                \
                                           : (vec){0};                                                                  \
                    }                                                                                                   \
                for (int j = 0; j < A; j++) input##M(d + j, A, half + j, A);                                            \
                for (int i = 0; i < A; i++) {                                                                           \
                    input##M(half + i * A, 1, full, 1);                                                                 \
                    for (int j = 0; j < A; j++) store(v + (i * A + j) * ld + (size_t)t * c + k, full[j]);               \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }                                                                                                                   \
                                                                                                                        \
    static void spread_out##M(const float *y, int h, int w, int c, int across, int per, int first, int count, float *v, \
                              size_t ld) {                                                                              \
        for (int t = 0; t < count; t++) {                                                                               \
            int n = (first + t) / per, rest = (first + t) % per;                                                        \
            int top = rest / across * M, left = rest % across * M;                                                      \
            const float *picture = y + (size_t)n * h * w * c;                                                           \
            for (int k = 0; k < c; k += LANES) {                                                                        \
                vec d[M * M], half[A * M], full[A];                                                                     \
                for (int i = 0; i < M; i++)                                                                             \
                    for (int j = 0; j < M; j++)                                                                         \
                        d[i * M + j] = top + i < h && left + j < w                                                      \
                                           ? load(picture + ((size_t)(top + i) * w + left + j) * c + k)                 \
                                           : (vec){0};                                                                  \
                for (int j = 0; j < M; j++) spread##M(d + j, M, half + j, M);                                           \
                for (int i = 0; i < A; i++) {                                                                           \
                    spread##M(half + i * M, 1, full, 1);                                                                \
                    for (int j = 0; j < A; j++) store(v + (i * A + j) * ld + (size_t)t * c + k, full[j]);               \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }                                                                                                                   \
                                                                                                                        \
    static void scatter##M(float *y, const float *bias, int h, int w, int c, int across, int per, int first, int count, \
                           const float *v, size_t ld) {                                                                 \
        for (int t = 0; t < count; t++) {                                                                               \
            int n = (first + t) / per, rest = (first + t) % per;                                                        \
            int top = rest / across * M, left = rest % across * M;                                                      \
            float *picture = y + (size_t)n * h * w * c;                                                                 \
            for (int k = 0; k < c; k += LANES) {                                                                        \
                vec d[A * A], half[M * A], full[M], b = bias ? load(bias + k) : (vec){0};                               \
                for (int e = 0; e < A * A; e++) d[e] = load(v + e * ld + (size_t)t * c + k);                            \
                for (int j = 0; j < A; j++) output##M(d + j, A, half + j, A);                                           \
                for (int i = 0; i < M && top + i < h; i++) {                                                            \
                    output##M(half + i * A, 1, full, 1);                                                                \
                    for (int j = 0; j < M && left + j < w; j++)                                                         \
                        store(picture + ((size_t)(top + i) * w + left + j) * c + k, full[j] + b);                       \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }                                                                                                                   \
                                                                                                                        \
    static int forward##M(const float *x, const float *u, const float *bias, float *y, int n, int h, int w, int ci,     \
                          int co) {                                                                                     \
        int down = (h + M - 1) / M, across = (w + M - 1) / M, per = down * across, tiles = n * per;                     \
        int block = block_tiles(A, ci, co, tiles);                                                                      \
        size_t ldv = (size_t)block * ci + LANES, ldm = (size_t)block * co + LANES;                                      \
        float *v = scratch(0, A * A * ldv), *m = scratch(1, A * A * ldm);                                               \
        if (!v || !m) return 1;                                                                                         \
        for (int first = 0; first < tiles; first += block) {                                                            \
            int count = tiles - first < block ? tiles - first : block;                                                  \
            gather##M(x, h, w, ci, across, per, first, count, v, ldv);                                                  \
            for (int e = 0; e < A * A; e++)                                                                             \
                for (int p = 0; p < co; p += WIDE)                                                                      \
                    rows(count, ci, v + e * ldv, ci, 1, u + (size_t)e * ci * co + (size_t)p * ci, WIDE,                 \
                         m + e * ldm + p, co, 0);                                                                       \
            scatter##M(y, bias, h, w, co, across, per, first, count, m, ldm);                                           \
        }                                                                                                               \
        return 0;                                                                                                       \
    }                                                                                                                   \
                                                                                                                        \
    /* dw (3, 3, ci, co) of pictures x and gradients g */                                                               \
    static int gradient##M(const float *x, const float *g, float *dw, int n, int h, int w, int ci, int co) {            \
        int down = (h + M - 1) / M, across = (w + M - 1) / M, per = down * across, tiles = n * per;                     \
        int block = block_tiles(A, ci, co, tiles) * 2;                                                                  \
        size_t ldv = (size_t)block * ci + LANES, ldm = (size_t)block * co + LANES, point = (size_t)ci * co;             \
        float *v = scratch(0, A * A * ldv), *m = scratch(1, A * A * ldm), *du = scratch(2, A * A * point);              \
        if (!v || !m || !du) return 1;                                                                                  \
        for (int first = 0; first < tiles; first += block) {                                                            \
            int count = tiles - first < block ? tiles - first : block;                                                  \
            gather##M(x, h, w, ci, across, per, first, count, v, ldv);                                                  \
            spread_out##M(g, h, w, co, across, per, first, count, m, ldm);                                              \
            for (int e = 0; e < A * A; e++)                                                                             \
                for (int p = 0; p < co; p += WIDE)                                                                      \
                    rows(ci, count, v + e * ldv, 1, ci, m + e * ldm + p, co, du + e * point + p, co, first > 0);        \
        }                                                                                                               \
        for (int i = 0; i < ci; i++)                                                                                    \
            for (int p = 0; p < co; p += LANES) {                                                                       \
                vec half[3][A], full[9];                                                                                \
                memset(half, 0, sizeof half), memset(full, 0, sizeof full);                                             \
                for (int e = 0; e < A; e++)                                                                             \
                    for (int f = 0; f < A; f++) {                                                                       \
                        vec d = load(du + (e * A + f) * point + (size_t)i * co + p);                                    \
                        for (int r = 0; r < 3; r++) half[r][f] += G##M[e][r] * d;                                       \
                    }                                                                                                   \
                for (int r = 0; r < 3; r++)                                                                             \
                    for (int f = 0; f < A; f++)                                                                         \
                        for (int s = 0; s < 3; s++) full[r * 3 + s] += G##M[f][s] * half[r][f];                         \
                for (int r = 0; r < 9; r++) store(dw + r * point + (size_t)i * co + p, full[r]);                        \
            }                                                                                                           \
        return 0;                                                                                                       \
    }

DEFINE(4, 6)
DEFINE(6, 8)

int mien_wide(void) { return WIDE; }

/* Whether `threads` below are threads, or shares done one after the other. */
int mien_parallel(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

/* Transformed weights, (m + 2)^2 * ci * co floats. To take a gradient from the result (.., co) back to the input
   (.., ci), give weights (3, 3, co, ci), ci and co changed over, and turn = 1. */
void mien_weights(const float *w, int ci, int co, int m, int turn, float *u, int threads) {
    m == 6 ? weights6(w, ci, co, turn, u, threads) : weights4(w, ci, co, turn, u, threads);
}

/* Pictures are cut into as many runs as there are threads. 0, or 1 where memory ran out. */
int mien_forward(const float *x, const float *u, const float *bias, float *y, int n, int h, int w, int ci, int co, int m,
                 int threads) {
    int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(| : failed)
    for (int t = 0; t < threads; t++) {
        int first = (int)((long)n * t / threads), count = (int)((long)n * (t + 1) / threads) - first;
        size_t at = (size_t)first * h * w;
        failed |= m == 6 ? forward6(x + at * ci, u, bias, y + at * co, count, h, w, ci, co)
                         : forward4(x + at * ci, u, bias, y + at * co, count, h, w, ci, co);
    }
    return failed;
}

/* dw (threads, 3, 3, ci, co): each thread sums over its own pictures. threads must not be more than n. */
int mien_gradient(const float *x, const float *g, float *dw, int n, int h, int w, int ci, int co, int m, int threads) {
    int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(| : failed)
    for (int t = 0; t < threads; t++) {
        int first = (int)((long)n * t / threads), count = (int)((long)n * (t + 1) / threads) - first;
        size_t at = (size_t)first * h * w;
        float *own = dw + (size_t)t * 9 * ci * co;
        failed |= m == 6 ? gradient6(x + at * ci, g + at * co, own, count, h, w, ci, co)
                         : gradient4(x + at * ci, g + at * co, own, count, h, w, ci, co);
    }
    return failed;
}
