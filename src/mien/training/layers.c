/* Batch norm, 2x2 max pooling (stride 2) and ReLU while training, float32, channels last, forward and backward.

   A run of these layers takes two passes over its input and one over its result; nothing between them is stored.
   Shapes: x (n, h, w, c), y (n, h, w, c) or pooled (n, h / 2, w / 2, c). c in multiples of mien_lanes(). `which` (the
   shape of y) says which of four values a pool took, 0 to 3 in the order of rows, or 4 where ReLU lets nothing through.
   Sums are taken over runs of rows that are the same for any number of threads, in float over GROUP rows of pixels, the
   sums of groups in float over BLOCK rows, in double beyond: results depend on nothing but the arguments. */

#include <math.h>
#include <stddef.h>
#include <string.h>

#ifdef __AVX512F__
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int ivec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef unsigned char bytes __attribute__((vector_size(LANES), aligned(1)));
#define INLINE static inline __attribute__((always_inline))

/* PARTS: runs of rows. BLOCK: rows of pixels summed in float. WIDE: vectors of channels at a time, at most. */
enum { PARTS = 64, BLOCK = 256, GROUP = 16, WIDE = 4, DEAD = 4 };

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec fill(float f) { return (vec){0} + f; }
INLINE vec where(ivec mask, vec v) { return (vec)(mask & (ivec)v); }
INLINE ivec load_bytes(const unsigned char *p) { return __builtin_convertvector(*(const bytes *)p, ivec); }
INLINE void store_bytes(unsigned char *p, ivec v) { *(bytes *)p = __builtin_convertvector(v, bytes); }

/* What is known of each channel, (5, c): the mean rounded to float, what it lacks of the true one, the inverse of the
   deviation, and the scale and shift that make y = (x - mean) * scale + shift. */
enum { MEAN, LACK, INVERSE, SCALE, SHIFT, KNOWN };

/* Where nothing is at or below it, ReLU does nothing: NaN. */
INLINE float threshold(int relu) { return relu ? 0.f : NAN; }

/* Calls F(width, ...) for each group of `width` vectors of channels; k is its first channel. */
#define OVER_CHANNELS(c, F, ...)                 \
    for (int k = 0, left; k < (c);) {            \
        left = ((c) - k) / LANES;                \
        if (left >= WIDE) {                      \
            F(WIDE, k, c, __VA_ARGS__);          \
            k += WIDE * LANES;                   \
        } else if (left >= 2) {                  \
            F(2, k, c, __VA_ARGS__);             \
            k += 2 * LANES;                      \
        } else {                                 \
            F(1, k, c, __VA_ARGS__);             \
            k += LANES;                          \
        }                                        \
    }

#define SMALLER(a, b) ((a) < (b) ? (a) : (b))

/* sums (2, c) += those of x - origin and its square. They are taken about the mean of the block's first rows, which
   bounds what cancels in float. */
INLINE void moments(int wide, int k, int c, const float *x, long rows, const float *origin, double *sums) {
    vec center[WIDE], a[WIDE], b[WIDE];
    int few = (int)SMALLER(rows, 8);
    for (int j = 0; j < wide; j++) {
        center[j] = a[j] = b[j] = fill(0);
        for (int r = 0; r < few; r++) center[j] += load(x + r * c + k + j * LANES);
        center[j] /= (float)few;
    }
    for (long group = 0; group < rows; group += GROUP) {
        vec s[WIDE], t[WIDE];
        for (int j = 0; j < wide; j++) s[j] = t[j] = fill(0);
        for (long r = group; r < SMALLER(rows, group + GROUP); r++)
            for (int j = 0; j < wide; j++) {
                vec d = load(x + r * c + k + j * LANES) - center[j];
                s[j] += d;
                t[j] += d * d;
            }
        for (int j = 0; j < wide; j++) a[j] += s[j], b[j] += t[j];
    }
    for (int j = 0; j < wide; j++)
        for (int l = 0; l < LANES; l++) {
            int at = k + j * LANES + l;
            double moved = (double)center[j][l] - origin[at];
            sums[at] += a[j][l] + rows * moved;
            sums[c + at] += b[j][l] + moved * (2 * (double)a[j][l] + rows * moved);
        }
}

INLINE void normalize(int wide, int k, int c, const float *x, long rows, const float *known, int relu, float *y) {
    vec mean[WIDE], scale[WIDE], shift[WIDE], floor = fill(threshold(relu));
    for (int j = 0; j < wide; j++) {
        mean[j] = load(known + MEAN * c + k + j * LANES);
        scale[j] = load(known + SCALE * c + k + j * LANES);
        shift[j] = load(known + SHIFT * c + k + j * LANES);
    }
    for (long r = 0; r < rows; r++)
        for (int j = 0; j < wide; j++) {
            vec v = (load(x + r * c + k + j * LANES) - mean[j]) * scale[j] + shift[j];
            store(y + r * c + k + j * LANES, where(~(v <= floor), v));
        }
}

/* One picture. known: NULL for a pool without a batch norm. */
INLINE void pool(int wide, int k, int c, const float *x, int h, int w, const float *known, int relu, float *y,
                 unsigned char *which) {
    vec mean[WIDE], scale[WIDE], shift[WIDE], floor = fill(threshold(relu));
    for (int j = 0; j < wide && known; j++) {
        mean[j] = load(known + MEAN * c + k + j * LANES);
        scale[j] = load(known + SCALE * c + k + j * LANES);
        shift[j] = load(known + SHIFT * c + k + j * LANES);
    }
    for (int i = 0; i < h / 2; i++)
        for (int o = 0; o < w / 2; o++) {
            const float *from = x + ((size_t)2 * i * w + 2 * o) * c + k;
            size_t to = ((size_t)i * (w / 2) + o) * c + k;
            for (int j = 0; j < wide; j++) {
                vec best = fill(-INFINITY);
                ivec place = (ivec){0};
                for (int q = 0; q < 4; q++) {
                    vec v = load(from + ((size_t)(q / 2) * w + q % 2) * c + j * LANES);
                    if (known) v = (v - mean[j]) * scale[j] + shift[j];
                    ivec better = (v > best) | (v != v); /* the first of equal ones; NaN wins, as in torch */
                    best = (vec)((better & (ivec)v) | (~better & (ivec)best));
                    place = (better & q) | (~better & place);
                }
                ivec dead = best <= floor;
                store(y + to + j * LANES, where(~dead, best));
                store_bytes(which + to + j * LANES, (dead & DEAD) | (~dead & place));
            }
        }
}

INLINE void add(int wide, int k, int c, const vec *a, const vec *b, double *sums) {
    for (int j = 0; j < wide; j++)
        for (int l = 0, at = k + j * LANES; l < LANES; l++) sums[at + l] += a[j][l], sums[c + at + l] += b[j][l];
}

/* sums (2, c) += those of the gradient g and of g * (x - mean). */
INLINE void slopes(int wide, int k, int c, const float *x, const float *g, long rows, const float *known, int relu,
                   double *sums) {
    vec mean[WIDE], scale[WIDE], shift[WIDE], a[WIDE], b[WIDE], floor = fill(threshold(relu));
    for (int j = 0; j < wide; j++) {
        mean[j] = load(known + MEAN * c + k + j * LANES);
        scale[j] = load(known + SCALE * c + k + j * LANES);
        shift[j] = load(known + SHIFT * c + k + j * LANES);
        a[j] = b[j] = fill(0);
    }
    for (long group = 0; group < rows; group += GROUP) {
        vec s[WIDE], t[WIDE];
        for (int j = 0; j < wide; j++) s[j] = t[j] = fill(0);
        for (long r = group; r < SMALLER(rows, group + GROUP); r++)
            for (int j = 0; j < wide; j++) {
                vec d = load(x + r * c + k + j * LANES) - mean[j];
                vec own = where(~(d * scale[j] + shift[j] <= floor), load(g + r * c + k + j * LANES));
                s[j] += own;
                t[j] += own * d;
            }
        for (int j = 0; j < wide; j++) a[j] += s[j], b[j] += t[j];
    }
    add(wide, k, c, a, b, sums);
}

/* The same behind a pool, for some rows of pooled values of a picture. */
INLINE void pooled_slopes(int wide, int k, int c, const float *x, const float *g, const unsigned char *which, int rows,
                          int w, const float *known, double *sums) {
    vec mean[WIDE], a[WIDE], b[WIDE];
    for (int j = 0; j < wide; j++) mean[j] = load(known + MEAN * c + k + j * LANES), a[j] = b[j] = fill(0);
    for (int i = 0; i < rows; i++) {
        vec s[WIDE], t[WIDE];
        for (int j = 0; j < wide; j++) s[j] = t[j] = fill(0);
        for (int o = 0; o < w / 2; o++) {
            const float *from = x + ((size_t)2 * i * w + 2 * o) * c + k;
            size_t at = ((size_t)i * (w / 2) + o) * c + k;
            for (int j = 0; j < wide; j++) {
                ivec place = load_bytes(which + at + j * LANES);
                ivec taken = (ivec){0};
                for (int q = 0; q < 4; q++)
                    taken |= (place == q) & (ivec)load(from + ((size_t)(q / 2) * w + q % 2) * c + j * LANES);
                vec own = where(place != DEAD, load(g + at + j * LANES));
                s[j] += own;
                t[j] += own * where(place != DEAD, (vec)taken - mean[j]);
            }
        }
        for (int j = 0; j < wide; j++) a[j] += s[j], b[j] += t[j];
    }
    add(wide, k, c, a, b, sums);
}

/* The gradient of x is scale * g + slope * (x - mean) + level. */
INLINE void spread(int wide, int k, int c, const float *x, const float *g, long rows, const float *known,
                   const float *slope, const float *level, int relu, float *dx) {
    vec mean[WIDE], scale[WIDE], shift[WIDE], s[WIDE], t[WIDE], floor = fill(threshold(relu));
    for (int j = 0; j < wide; j++) {
        mean[j] = load(known + MEAN * c + k + j * LANES);
        scale[j] = load(known + SCALE * c + k + j * LANES);
        shift[j] = load(known + SHIFT * c + k + j * LANES);
        s[j] = load(slope + k + j * LANES), t[j] = load(level + k + j * LANES);
    }
    for (long r = 0; r < rows; r++)
        for (int j = 0; j < wide; j++) {
            vec d = load(x + r * c + k + j * LANES) - mean[j];
            vec own = where(~(d * scale[j] + shift[j] <= floor), load(g + r * c + k + j * LANES));
            store(dx + r * c + k + j * LANES, scale[j] * own + (s[j] * d + t[j]));
        }
}

/* The same behind a pool, for one picture; known: NULL for a pool without a batch norm. */
INLINE void pooled_spread(int wide, int k, int c, const float *x, const float *g, const unsigned char *which, int h,
                          int w, const float *known, const float *slope, const float *level, float *dx) {
    vec mean[WIDE], scale[WIDE], s[WIDE], t[WIDE];
    for (int j = 0; j < wide; j++) {
        mean[j] = known ? load(known + MEAN * c + k + j * LANES) : fill(0);
        scale[j] = known ? load(known + SCALE * c + k + j * LANES) : fill(1);
        s[j] = known ? load(slope + k + j * LANES) : fill(0), t[j] = known ? load(level + k + j * LANES) : fill(0);
    }
    for (int i = 0; i < (h + 1) / 2; i++)
        for (int o = 0; o < (w + 1) / 2; o++) {
            size_t corner = ((size_t)2 * i * w + 2 * o) * c + k, from = ((size_t)i * (w / 2) + o) * c + k;
            int inside = i < h / 2 && o < w / 2; /* else a margin of an odd side, which the pool leaves out */
            for (int j = 0; j < wide; j++) {
                ivec place = inside ? load_bytes(which + from + j * LANES) : (ivec){0} + DEAD;
                vec own = inside ? load(g + from + j * LANES) : fill(0);
                for (int q = 0; q < 4; q++) {
                    if (2 * i + q / 2 >= h || 2 * o + q % 2 >= w) continue;
                    size_t at = corner + ((size_t)(q / 2) * w + q % 2) * c + j * LANES;
                    vec result = where(place == q, own);
                    if (known) result = scale[j] * result + (s[j] * (load(x + at) - mean[j]) + t[j]);
                    store(dx + at, result);
                }
            }
        }
}

/* Part p of n things: the first, and how many. */
INLINE long first_of(long n, int p) { return n * p / PARTS; }

/* The sums of all parts, in their order, into the first. */
static void total(double *parts, int c) {
    for (int p = 1; p < PARTS; p++)
        for (int i = 0; i < 2 * c; i++) parts[i] += parts[(size_t)p * 2 * c + i];
}

#define OVER_PARTS _Pragma("omp parallel for num_threads(threads) schedule(static)") for (int p = 0; p < PARTS; p++)
/* Blocks of rows of pixels in part p. */
#define OVER_BLOCKS(rows, first, count)                                                                     \
    for (long u = first_of(((rows) + BLOCK - 1) / BLOCK, p), first, count;                                              \
         u < first_of(((rows) + BLOCK - 1) / BLOCK, p + 1) &&                                                           \
         (first = u * BLOCK, count = SMALLER((rows) - first, BLOCK), 1); u++)

int mien_lanes(void) { return LANES; }

/* Doubles of memory that a batch norm works in. */
long mien_sums(int c) { return (long)PARTS * 2 * c; }

/* y and known of x. running_mean and running_var move by `momentum` towards those of the batch (NULL: there are none).
   which: NULL without a pool. */
void mien_norm(const float *x, int n, int h, int w, int c, const float *weight, const float *bias, double eps,
               double momentum, float *running_mean, float *running_var, int relu, float *known, float *y,
               unsigned char *which, double *parts, int threads) {
    long rows = (long)n * h * w;
    OVER_PARTS {
        double *sums = parts + (size_t)p * 2 * c;
        memset(sums, 0, 2 * c * sizeof *sums);
        OVER_BLOCKS(rows, first, count) OVER_CHANNELS(c, moments, x + first * c, count, x, sums)
    }
    total(parts, c);
    for (int i = 0; i < c; i++) {
        double off = parts[i] / rows, mean = x[i] + off, squares = parts[c + i] - parts[i] * off;
        if (squares < 0) squares = 0;
        double inverse = 1 / sqrt(squares / rows + eps);
        float rounded = (float)mean;
        known[MEAN * c + i] = rounded;
        known[LACK * c + i] = (float)(mean - rounded);
        known[INVERSE * c + i] = (float)inverse;
        known[SCALE * c + i] = (float)(weight[i] * inverse);
        known[SHIFT * c + i] = (float)(bias[i] - (mean - rounded) * weight[i] * inverse);
        if (running_mean) {
            running_mean[i] = (float)(momentum * mean + (1 - momentum) * running_mean[i]);
            running_var[i] = (float)(momentum * (squares / (rows - 1)) + (1 - momentum) * running_var[i]);
        }
    }
    size_t picture = (size_t)h * w * c, pooled = (size_t)(h / 2) * (w / 2) * c;
    OVER_PARTS {
        if (which)
            for (long i = first_of(n, p); i < first_of(n, p + 1); i++)
                OVER_CHANNELS(c, pool, x + i * picture, h, w, known, relu, y + i * pooled, which + i * pooled)
        else
            OVER_BLOCKS(rows, first, count)
                OVER_CHANNELS(c, normalize, x + first * c, count, known, relu, y + first * c)
    }
}

/* dweight, dbias and (unless it is NULL) dx of the gradient g of y. slope, level: c floats each to work in. */
void mien_norm_back(const float *x, const float *g, const unsigned char *which, int n, int h, int w, int c,
                    const float *known, int relu, float *slope, float *level, float *dx, float *dweight, float *dbias,
                    double *parts, int threads) {
    long rows = (long)n * h * w;
    size_t picture = (size_t)h * w * c, pooled = (size_t)(h / 2) * (w / 2) * c;
    OVER_PARTS {
        double *sums = parts + (size_t)p * 2 * c;
        memset(sums, 0, 2 * c * sizeof *sums);
        if (which) {
            int some = BLOCK / w > 1 ? BLOCK / w : 1;
            for (long i = first_of(n, p); i < first_of(n, p + 1); i++)
                for (int r = 0; r < h / 2; r += some) {
                    int count = SMALLER(h / 2 - r, some);
                    size_t at = i * pooled + (size_t)r * (w / 2) * c;
                    OVER_CHANNELS(c, pooled_slopes, x + i * picture + (size_t)2 * r * w * c, g + at, which + at, count,
                                  w, known, sums)
                }
        } else
            OVER_BLOCKS(rows, first, count)
                OVER_CHANNELS(c, slopes, x + first * c, g + first * c, count, known, relu, sums)
    }
    total(parts, c);
    for (int i = 0; i < c; i++) {
        double inverse = known[INVERSE * c + i], lack = known[LACK * c + i];
        double all = parts[i], along = parts[c + i] - lack * all;
        double tilt = -known[SCALE * c + i] * inverse * inverse * along / rows;
        dweight[i] = (float)(along * inverse);
        dbias[i] = (float)all;
        slope[i] = (float)tilt;
        level[i] = (float)(-known[SCALE * c + i] * all / rows - tilt * lack);
    }
    if (!dx) return;
    OVER_PARTS {
        if (which)
            for (long i = first_of(n, p); i < first_of(n, p + 1); i++)
                OVER_CHANNELS(c, pooled_spread, x + i * picture, g + i * pooled, which + i * pooled, h, w, known, slope,
                              level, dx + i * picture)
        else
            OVER_BLOCKS(rows, first, count)
                OVER_CHANNELS(c, spread, x + first * c, g + first * c, count, known, slope, level, relu, dx + first * c)
    }
}

void mien_pool(const float *x, int n, int h, int w, int c, int relu, float *y, unsigned char *which, int threads) {
    size_t picture = (size_t)h * w * c, pooled = (size_t)(h / 2) * (w / 2) * c;
    OVER_PARTS for (long i = first_of(n, p); i < first_of(n, p + 1); i++)
        OVER_CHANNELS(c, pool, x + i * picture, h, w, NULL, relu, y + i * pooled, which + i * pooled)
}

void mien_pool_back(const float *g, const unsigned char *which, int n, int h, int w, int c, float *dx, int threads) {
    size_t picture = (size_t)h * w * c, pooled = (size_t)(h / 2) * (w / 2) * c;
    OVER_PARTS for (long i = first_of(n, p); i < first_of(n, p + 1); i++)
        OVER_CHANNELS(c, pooled_spread, NULL, g + i * pooled, which + i * pooled, h, w, NULL, NULL, NULL,
                      dx + i * picture)
}
