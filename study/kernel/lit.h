// The first layer over the lit pixels alone: adding 0 w for the others would change no bit.
//
// Pixels come as pairs of neighbours, which share an entry where either is lit: 19 % of MNIST's pixels are lit, 24 %
// of its pairs. A code numbers one of at most 256 values, 0 the value 0.
#ifndef LIT_H
#define LIT_H

#include "adam.h"

enum { MOST_VALUES = 256, SLOTS = 4 * MOST_VALUES };

typedef struct {
    uint32_t bits[SLOTS];
    int16_t code[SLOTS];  // -1 where free
} Codes;

INLINE uint32_t slot_of(const Codes *codes, uint32_t bits) {
    uint32_t slot = (bits * 2654435761u) >> 22;
    while (codes->code[slot] >= 0 && codes->bits[slot] != bits) slot = (slot + 1) % SLOTS;
    return slot;
}

INLINE uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void add_code(Codes *codes, uint32_t bits, int code) {
    uint32_t slot = slot_of(codes, bits);
    codes->bits[slot] = bits;
    codes->code[slot] = (int16_t)code;
}

// Adds to the ``n_values`` known values those of images (n_numbers) that are new. The number of all then, -1 where
// these are more than a code can tell.
int64_t kernel_values(const float *images, int64_t n_numbers, float *values, int64_t n_values) {
    Codes codes;
    memset(codes.code, -1, sizeof codes.code);
    for (int i = 0; i < n_values; i++) add_code(&codes, bits_of(values[i]), i);
    for (int64_t i = 0; i < n_numbers; i++) {
        uint32_t bits = bits_of(images[i]);
        if (codes.code[slot_of(&codes, bits)] >= 0) continue;
        if (n_values == MOST_VALUES) return -1;
        add_code(&codes, bits, (int)n_values);
        values[n_values++] = images[i];
    }
    return n_values;
}

// The entries of images (n, n_features), image after image, pair << 16 | codes; those of image i are starts[i] to
// starts[i + 1]. Without ``entries`` they are only counted. Returns 0 where a value has no code, else 1.
int32_t kernel_entries(const float *images, int64_t n, int64_t n_features, const float *values, int64_t n_values,
                       int64_t *starts, uint32_t *entries) {
    Codes codes;
    memset(codes.code, -1, sizeof codes.code);
    for (int i = 0; i < n_values; i++) add_code(&codes, bits_of(values[i]), i);
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *image = images + i * n_features;
        starts[i] = found;
        for (int64_t p = 0; p < n_features; p += 2) {
            float first = image[p], second = p + 1 < n_features ? image[p + 1] : 0;
            if (first == 0 && second == 0) continue;
            int a = codes.code[slot_of(&codes, bits_of(first))], b = codes.code[slot_of(&codes, bits_of(second))];
            if (a < 0 || b < 0) return 0;
            if (entries) entries[found] = (uint32_t)(p / 2) << 16 | (uint32_t)b << 8 | (uint32_t)a;
            found++;
        }
    }
    starts[n] = found;
    return 1;
}

// A plan has the entries of a block of images sorted by pair, image << 16 | codes, and says in which order the
// gradient visits the pairs: by the number of their entries, since a loop whose length changes seldom is foretold
// well (results/LOG.md). Pairs that no training image lights are not visited: their weights have
// no gradient, and stay.
typedef struct {
    uint32_t *starts;   // (blocks, n_pairs + 1) where the entries of each pair begin
    uint16_t *visits;   // (blocks, n_visits) pairs
    uint32_t *entries;  // block after block
} Plan;

enum { AHEAD = 4 };  // images; they lie anywhere in memory

// Sorts the entries of n images; places (n_pairs) is scratch.
static void sort_entries(const int64_t *starts, const uint32_t *entries, const int32_t *order, int64_t n,
                         int64_t n_pairs, Plan plan, uint32_t *places) {
    memset(places, 0, (size_t)n_pairs * sizeof *places);
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            for (int64_t e = starts[order[i + AHEAD]]; e < starts[order[i + AHEAD] + 1]; e += LINE)
                __builtin_prefetch(entries + e);
        for (int64_t e = starts[order[i]]; e < starts[order[i] + 1]; e++) places[entries[e] >> 16]++;
    }
    uint32_t begin = 0;
    for (int64_t q = 0; q < n_pairs; q++) {
        uint32_t count = places[q];
        places[q] = plan.starts[q] = begin;
        begin += count;
    }
    plan.starts[n_pairs] = begin;
    for (int64_t i = 0; i < n; i++)
        for (int64_t e = starts[order[i]]; e < starts[order[i] + 1]; e++)
            plan.entries[places[entries[e] >> 16]++] = (uint32_t)i << 16 | (entries[e] & 0xffff);
}

// Sorts the pairs that are ever lit by the number of their entries, at most BLOCK.
static void sort_visits(const uint32_t *begins, const uint8_t *ever, int64_t n_pairs, uint16_t *visits) {
    uint32_t place[BLOCK + 2] = {0};
    for (int64_t q = 0; q < n_pairs; q++)
        if (ever[q]) place[begins[q + 1] - begins[q] + 1]++;
    for (int n = 0; n <= BLOCK; n++) place[n + 1] += place[n];
    for (int64_t q = 0; q < n_pairs; q++)
        if (ever[q]) visits[place[begins[q + 1] - begins[q]]++] = (uint16_t)q;
}

// Plans the n images in ``order``; a block ends with its batch at the latest. places (n_pairs) is scratch.
void kernel_plan(const int64_t *starts, const uint32_t *entries, const int32_t *order, int64_t n, int64_t batch,
                 int64_t n_pairs, const uint8_t *ever, int64_t n_visits, Plan plan, uint32_t *places) {
    for (int64_t first = 0, last; first < n; first = last) {
        last = first + batch < n ? first + batch : n;
        for (int64_t begin = first; begin < last; begin += BLOCK) {
            int64_t some = begin + BLOCK < last ? BLOCK : last - begin;
            sort_entries(starts, entries, order + begin, some, n_pairs, plan, places);
            sort_visits(plan.starts, ever, n_pairs, plan.visits);
            plan.entries += plan.starts[n_pairs];
            plan.starts += n_pairs + 1;
            plan.visits += n_visits;
        }
    }
}

// A block of a plan, and the values of its codes.
typedef struct {
    const uint32_t *starts;
    const uint16_t *visits;
    const uint32_t *entries;
    const float *values;
    int64_t n_pairs, n_visits;
} Lit;

static void next_block(Lit *lit) {
    lit->entries += lit->starts[lit->n_pairs];
    lit->starts += lit->n_pairs + 1;
    lit->visits += lit->n_visits;
}

INLINE int64_t image_of(uint32_t entry) { return entry >> 16; }
INLINE vec first_value(const float *values, uint32_t entry) { return splat(values[entry & 255]); }
INLINE vec second_value(const float *values, uint32_t entry) { return splat(values[entry >> 8 & 255]); }

// z (images of the block, n_out) += x W, pixel by pixel in their order.
INLINE void lit_forward_tile(const Lit *lit, const float *W, int64_t n_out, float *z, const int wide) {
    const Lit plan = *lit;  // what is stored below could not be told from *lit
    const float *values = plan.values;
    const uint32_t *entry = plan.entries;
    for (int64_t q = 0; q < plan.n_pairs; q++, W += 2 * n_out) {
        const uint32_t *end = plan.entries + plan.starts[q + 1];
        if (entry == end) continue;
        vec first[WIDE], second[WIDE];
        for (int j = 0; j < wide; j++) {
            first[j] = load(W + j * LANES);
            second[j] = load(W + n_out + j * LANES);
        }
        for (; entry < end; entry++) {
            float *row = z + image_of(*entry) * n_out;
            vec a = first_value(values, *entry), b = second_value(values, *entry);
            for (int j = 0; j < wide; j++)
                store(row + j * LANES, load(row + j * LANES) + a * first[j] + b * second[j]);
        }
    }
}

static void lit_forward(const Lit *lit, const float *W, int64_t n_out, float *z) {
    int64_t u = 0;
    for (; u + TILE <= n_out; u += TILE) lit_forward_tile(lit, W + u, n_out, z + u, WIDE);
    if (u < n_out) lit_forward_tile(lit, W + u, n_out, z + u, WIDE / 2);
}

// Visits go to and fro, which the processor does not foresee: it is told of the next one.
INLINE void fetch_pair(Adam adam, int64_t at, int64_t n_out, const int wide) {
    for (int j = 0; j < wide; j++)
        for (int64_t row = at + j * LANES; row <= at + n_out + j * LANES; row += n_out) {
            __builtin_prefetch(adam.w + row, 1);
            __builtin_prefetch(adam.m + row, 1);
            __builtin_prefetch(adam.v + row, 1);
        }
}

// The block's x^T d, added to what ``gradient`` (2 n_pairs, n_out) has of the blocks before, if there are any;
// after the last block the weight at ``at`` moves.
INLINE void lit_backward_tile(const Lit *lit, const float *d, int64_t n_out, float *gradient, Adam adam, int64_t at,
                              int first_block, int last_block, const int wide) {
    const Lit plan = *lit;  // what is stored below could not be told from *lit
    const float *values = plan.values;
    for (int64_t i = 0; i < plan.n_visits; i++) {
        int64_t q = plan.visits[i];
        if (i + 1 < plan.n_visits) fetch_pair(adam, at + 2 * n_out * plan.visits[i + 1], n_out, wide);
        vec first[WIDE], second[WIDE];
        for (int j = 0; j < wide; j++) first[j] = second[j] = splat(0);
        const uint32_t *entry = plan.entries + plan.starts[q], *end = plan.entries + plan.starts[q + 1];
        for (; entry < end; entry++) {
            const float *row = d + image_of(*entry) * n_out;
            vec a = first_value(values, *entry), b = second_value(values, *entry);
            for (int j = 0; j < wide; j++) {
                first[j] += a * load(row + j * LANES);
                second[j] += b * load(row + j * LANES);
            }
        }
        int64_t place = 2 * q * n_out;
        for (int j = 0; j < wide; j++, place += LANES) {
            if (!first_block) {
                first[j] = load(gradient + place) + first[j];
                second[j] = load(gradient + place + n_out) + second[j];
            }
            if (last_block) {
                move(adam, at + place, first[j]);
                move(adam, at + place + n_out, second[j]);
            } else {
                store(gradient + place, first[j]);
                store(gradient + place + n_out, second[j]);
            }
        }
    }
}

static void lit_weight_step(const Lit *lit, const float *d, int64_t n_out, float *gradient, Adam adam, int64_t at,
                            int first_block, int last_block) {
    int64_t u = 0;
    for (; u + TILE <= n_out; u += TILE)
        lit_backward_tile(lit, d + u, n_out, gradient + u, adam, at + u, first_block, last_block, WIDE);
    if (u < n_out)
        lit_backward_tile(lit, d + u, n_out, gradient + u, adam, at + u, first_block, last_block, WIDE / 2);
}

#endif
