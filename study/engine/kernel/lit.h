// The first layer over the nonzero pixels alone ("lit"): adding 0 w for the zeros would change no bit.
#ifndef LIT_H
#define LIT_H

#include "adam.h"
#include "plan.h"

enum { HELD = 8 / GROUP };  // vectors of units whose weights to a group are in the registers at once

// A block of a plan, and the values of its codes.
typedef struct {
    const uint32_t *starts;
    const uint16_t *visits;
    const uint64_t *entries;
    const float *values;
    int64_t n_groups, n_visits;
} Lit;

static void next_block(Lit *lit) {
    lit->entries += lit->starts[lit->n_groups];
    lit->starts += lit->n_groups + 1;
    lit->visits += lit->n_visits;
}

INLINE vec value_of(const float *values, uint64_t entry, int p) { return splat(values[entry >> 8 * p & 255]); }

// z (n images of the block, n_out) = b + x W for ``wide`` vectors of units, pixel by pixel in their order.
INLINE void lit_forward_tile(const Lit *lit, int64_t n, const float *W, int64_t n_out, const float *b, float *z,
                             const int wide) {
    const float *values = lit->values;
    const uint64_t *entry = lit->entries;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < wide; j++) store(z + i * n_out + j * LANES, load(b + j * LANES));
    for (int64_t q = 0; q < lit->n_groups; q++, W += GROUP * n_out) {
        const uint64_t *end = lit->entries + lit->starts[q + 1];
        if (entry == end) continue;
        vec w[GROUP][HELD];
        for (int p = 0; p < GROUP; p++)
            for (int j = 0; j < wide; j++) w[p][j] = load(W + p * n_out + j * LANES);
        for (; entry < end; entry++) {
            float *row = z + place_of(*entry) * n_out;
            vec sum[HELD];
            for (int j = 0; j < wide; j++) sum[j] = load(row + j * LANES);
            for (int p = 0; p < GROUP; p++) {
                vec x = value_of(values, *entry, p);
                for (int j = 0; j < wide; j++) sum[j] += x * w[p][j];
            }
            for (int j = 0; j < wide; j++) store(row + j * LANES, sum[j]);
        }
    }
}

INLINE void lit_forward_units(const Lit *lit, int64_t n, const float *W, int64_t n_out, const float *b, float *z) {
    int64_t u = 0;
    for (; u + HELD * LANES <= n_out; u += HELD * LANES) lit_forward_tile(lit, n, W + u, n_out, b + u, z + u, HELD);
    if (u < n_out) lit_forward_tile(lit, n, W + u, n_out, b + u, z + u, HELD / 2);
}

// Twice: 32 units are the commonest width, and a compiler that knows the distance of rows does better (results/LOG.md).
NOINLINE static void lit_forward_any(Lit lit, int64_t n, const float *W, int64_t n_out, const float *b, float *z) {
    lit_forward_units(&lit, n, W, n_out, b, z);
}

NOINLINE static void lit_forward_32(Lit lit, int64_t n, const float *W, const float *b, float *z) {
    lit_forward_units(&lit, n, W, 32, b, z);
}

static void lit_forward(const Lit *lit, int64_t n, const float *W, int64_t n_out, const float *b, float *z) {
    if (n_out == 32)
        lit_forward_32(*lit, n, W, b, z);
    else
        lit_forward_any(*lit, n, W, n_out, b, z);
}

// Prefetches the next group: the order of visits is not one that the processor predicts.
INLINE void fetch_group(Adam adam, int64_t at, int64_t n_out, const int wide) {
    for (int64_t row = at; row < at + GROUP * n_out; row += n_out)
        for (int64_t place = row; place < row + wide * LANES; place += LINE) {
            __builtin_prefetch(adam.w + place, 1);
            __builtin_prefetch(adam.m + place, 1);
            __builtin_prefetch(adam.v + place, 1);
        }
}

// The sums (n_features, n_out) of a gradient over the blocks of a batch, of which the first block reads nothing; after
// the last block the weight moves.
typedef struct {
    float *sums;
    int first_block, last_block;
} Gradient;

// Adds the block's x^T d for ``wide`` vectors of units, and moves the weight at ``at`` after the last block.
INLINE void lit_backward_tile(const Lit *lit, const float *d, int64_t n_out, Gradient gradient, Adam adam, int64_t at,
                              const int wide) {
    const float *values = lit->values;
    for (int64_t i = 0; i < lit->n_visits; i++) {
        int64_t q = lit->visits[i], place = GROUP * q * n_out;
        if (gradient.last_block && i + 1 < lit->n_visits)
            fetch_group(adam, at + GROUP * n_out * lit->visits[i + 1], n_out, wide);
        vec sum[GROUP][HELD];
        for (int p = 0; p < GROUP; p++)
            for (int j = 0; j < wide; j++) sum[p][j] = splat(0);
        const uint64_t *entry = lit->entries + lit->starts[q], *end = lit->entries + lit->starts[q + 1];
        for (; entry < end; entry++) {
            const float *row = d + place_of(*entry) * n_out;
            for (int p = 0; p < GROUP; p++) {
                vec x = value_of(values, *entry, p);
                for (int j = 0; j < wide; j++) sum[p][j] += x * load(row + j * LANES);
            }
        }
        for (int p = 0; p < GROUP; p++, place += n_out)
            for (int j = 0; j < wide; j++) {
                float *earlier = gradient.sums + place + j * LANES;
                if (!gradient.first_block) sum[p][j] = load(earlier) + sum[p][j];
                if (gradient.last_block)
                    move(adam, at + place + j * LANES, sum[p][j]);
                else
                    store(earlier, sum[p][j]);
            }
    }
}

INLINE void lit_backward_units(const Lit *lit, const float *d, int64_t n_out, Gradient gradient, Adam adam,
                               int64_t at) {
    int64_t u = 0;
    for (; u + HELD * LANES <= n_out; u += HELD * LANES, gradient.sums += HELD * LANES)
        lit_backward_tile(lit, d + u, n_out, gradient, adam, at + u, HELD);
    if (u < n_out) lit_backward_tile(lit, d + u, n_out, gradient, adam, at + u, HELD / 2);
}

NOINLINE static void lit_backward_any(Lit lit, const float *d, int64_t n_out, Gradient gradient, Adam adam,
                                      int64_t at) {
    lit_backward_units(&lit, d, n_out, gradient, adam, at);
}

NOINLINE static void lit_backward_32(Lit lit, const float *d, Gradient gradient, Adam adam, int64_t at) {
    lit_backward_units(&lit, d, 32, gradient, adam, at);
}

static void lit_weight_step(const Lit *lit, const float *d, int64_t n_out, Gradient gradient, Adam adam, int64_t at) {
    if (n_out == 32)
        lit_backward_32(*lit, d, gradient, adam, at);
    else
        lit_backward_any(*lit, d, n_out, gradient, adam, at);
}

#endif
