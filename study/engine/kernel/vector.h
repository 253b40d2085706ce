// Vectors of floats, and the elementary functions that the layers share.
//
// A vector's lanes are always units (or classes) that have no sum in common, so its length changes no bit: LANES is
// what the processor has, and a sum runs over images or features in one order, written down where it is made.
// Every operation is one of IEEE 754, and none is contracted (-ffp-contract=off): whoever compiles this, at whatever
// level, gets the same bits. So exp and log are here, where libm's differ between machines.
#ifndef VECTOR_H
#define VECTOR_H

#include <float.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if !defined(__GNUC__)
#error "vector extensions are needed: GCC or Clang"
#endif
#if FLT_EVAL_METHOD != 0
#error "float arithmetic has to be float's"
#endif

#ifndef LANES
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#endif

enum {
    LINE = 16,          // floats; every width is padded to whole lines of a cache
    TILE = 2 * LINE,    // units that are in the registers at once
    BLOCK = 256,        // images whose features stay in the first cache; a sum over images is one of blocks' sums
    WIDE = TILE / LANES // vectors of a tile
};

typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), may_alias));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))  // what has all registers to itself

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec x) { *(vec *)p = x; }
INLINE vec splat(float x) { return x - (vec){0}; }  // x - 0 is x, of either sign
INLINE vec pick(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }

// x where h > 0 or h is NaN, else 0: ReLU's own value where h = x, its gradient where h is what it gave.
INLINE vec where_positive(vec h, vec x) { return (vec)(~(h <= splat(0)) & (ivec)x); }

// By name, since compilers do not always find it in a loop.
INLINE vec square_root(vec x) {
#if LANES == 16 && defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif LANES == 8 && defined(__AVX__)
    return (vec)_mm256_sqrt_ps((__m256)x);
#elif LANES == 4 && defined(__SSE__)
    return (vec)_mm_sqrt_ps((__m128)x);
#elif LANES == 4 && defined(__aarch64__)
    return (vec)vsqrtq_f32((float32x4_t)x);
#else
    vec root;
    for (int i = 0; i < LANES; i++) root[i] = __builtin_sqrtf(x[i]);
    return root;
#endif
}

// e^x for x <= 0, NaN for NaN; 0 below -87. Cephes' expf: 2^n e^r with |r| <= log(2) / 2.
INLINE vec exponential(vec x) {
    const vec whole = splat(12582912.0f);  // 1.5 * 2^23: what is added to it has no fraction left
    ivec tiny = x < splat(-87);
    x = pick(tiny, splat(-87), x);
    vec shifted = x * splat(1.44269504088896341f) + whole, n = shifted - whole;
    vec r = x - n * splat(0.693359375f) + n * splat(2.12194440e-4f);
    vec p = splat(1.9875691500e-4f);
    p = p * r + splat(1.3981999507e-3f);
    p = p * r + splat(8.3334519073e-3f);
    p = p * r + splat(4.1665795894e-2f);
    p = p * r + splat(1.6666665459e-1f);
    p = p * r + splat(5.0000001201e-1f);
    p = p * (r * r) + r + splat(1);
    uvec exponent = (uvec)shifted - (0x4b400000u - 127);  // of a NaN whatever comes, and p is NaN
    return (vec)(~tiny & (ivec)(p * (vec)(exponent << 23)));
}

// log x for x >= 1; NaN for NaN and infinity. log(2^e m) = e log 2 + 2 artanh((m - 1) / (m + 1)), 0.7 < m < 1.5.
INLINE double logarithm(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t above = bits - 0x3f3504f3u;  // the bits of sqrt(1/2)
    int32_t e = (int32_t)(above >> 23);
    bits = (above & 0x007fffffu) + 0x3f3504f3u;
    float m;
    memcpy(&m, &bits, sizeof m);
    double s = ((double)m - 1) / ((double)m + 1), s2 = s * s;
    double series = 1.0 / 13;
    for (int k = 11; k >= 1; k -= 2) series = series * s2 + 1.0 / k;
    return e * 0.6931471805599453 + 2 * s * series + (x - x);
}

#endif
