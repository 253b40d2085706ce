// Images by their nonzero pixels, in the order in which the first layer visits them (lit.h).
//
// Pixels come in groups of neighbours, which share an entry where any is nonzero: of MNIST's pixels 19 % are, of its
// pairs 22 %, of its fours 28 %. A code numbers one of at most 256 values, 0 the value 0.
#ifndef PLAN_H
#define PLAN_H

#include "vector.h"

enum {
    GROUP = LANES == 16 ? 4 : 2,  // neighbouring pixels; where registers are few, pairs are faster (results/LOG.md)
    MAX_VALUES = 256,
    SLOTS = 4 * MAX_VALUES
};

// An entry: an image or, in the images' own order, a group; and the group's codes, the first pixel's lowest.
INLINE uint64_t entry_of(int64_t place, uint64_t codes) { return (uint64_t)place << 32 | codes; }
INLINE int64_t place_of(uint64_t entry) { return (int64_t)(entry >> 32); }

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

// Adds to the ``n_values`` known values those of images (n_numbers) that are new. Returns the number of all then, -1
// where these are more than there are codes.
int64_t kernel_values(const float *images, int64_t n_numbers, float *values, int64_t n_values) {
    Codes codes;
    memset(codes.code, -1, sizeof codes.code);
    for (int i = 0; i < n_values; i++) add_code(&codes, bits_of(values[i]), i);
    for (int64_t i = 0; i < n_numbers; i++) {
        uint32_t bits = bits_of(images[i]);
        if (codes.code[slot_of(&codes, bits)] >= 0) continue;
        if (n_values == MAX_VALUES) return -1;
        add_code(&codes, bits, (int)n_values);
        values[n_values++] = images[i];
    }
    return n_values;
}

// The codes of the group of an image that begins at p; -1 where a value has none.
static int64_t codes_of(const Codes *codes, const float *image, int64_t n_features, int64_t p) {
    int64_t found = 0;
    for (int i = 0; i < GROUP && p + i < n_features; i++) {
        int code = codes->code[slot_of(codes, bits_of(image[p + i]))];
        if (code < 0) return -1;
        found |= (int64_t)code << 8 * i;
    }
    return found;
}

static int is_dark(const float *image, int64_t n_features, int64_t p) {
    for (int i = 0; i < GROUP && p + i < n_features; i++)
        if (!(image[p + i] == 0)) return 0;
    return 1;
}

// The entries of images (n, n_features), image after image; those of image i are starts[i] to starts[i + 1]. Without
// ``entries`` they are only counted. Returns 0 where a value has no code, else 1.
int32_t kernel_entries(const float *images, int64_t n, int64_t n_features, const float *values, int64_t n_values,
                       int64_t *starts, uint64_t *entries) {
    Codes codes;
    memset(codes.code, -1, sizeof codes.code);
    for (int i = 0; i < n_values; i++) add_code(&codes, bits_of(values[i]), i);
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *image = images + i * n_features;
        starts[i] = found;
        for (int64_t p = 0; p < n_features; p += GROUP) {
            if (is_dark(image, n_features, p)) continue;
            int64_t own = codes_of(&codes, image, n_features, p);
            if (own < 0) return 0;
            if (entries) entries[found] = entry_of(p / GROUP, (uint64_t)own);
            found++;
        }
    }
    starts[n] = found;
    return 1;
}

// A plan has the entries of a block of images sorted by groups, and says in which order the gradient visits the groups:
// by the number of their entries, since a loop whose length changes seldom is predicted well (results/LOG.md). Groups
// that are zero in every training image are not visited: their weights have no gradient, and stay.
typedef struct {
    uint32_t *starts;   // (blocks, n_groups + 1) where the entries of each begin
    uint16_t *visits;   // (blocks, n_visits) groups
    uint64_t *entries;  // block after block
} Plan;

enum { AHEAD = 6 };  // images; they lie anywhere in memory

// The entries of an image.
typedef struct {
    const uint64_t *begin, *end;
} Span;

INLINE Span span_of(const int64_t *starts, const uint64_t *entries, int32_t image) {
    return (Span){entries + starts[image], entries + starts[image + 1]};
}

// Sorts the entries of n images; places (n_groups) is scratch.
static void sort_entries(const int64_t *starts, const uint64_t *entries, const int32_t *order, int64_t n,
                         int64_t n_groups, Plan plan, uint32_t *places) {
    memset(places, 0, (size_t)n_groups * sizeof *places);
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n) {
            Span later = span_of(starts, entries, order[i + AHEAD]);
            for (const uint64_t *e = later.begin; e < later.end; e += LINE / 2) __builtin_prefetch(e);
        }
        Span own = span_of(starts, entries, order[i]);
        for (const uint64_t *e = own.begin; e < own.end; e++) places[place_of(*e)]++;
    }
    uint32_t begin = 0;
    for (int64_t q = 0; q < n_groups; q++) {
        uint32_t count = places[q];
        places[q] = plan.starts[q] = begin;
        begin += count;
    }
    plan.starts[n_groups] = begin;
    for (int64_t i = 0; i < n; i++) {
        Span own = span_of(starts, entries, order[i]);
        for (const uint64_t *e = own.begin; e < own.end; e++)
            plan.entries[places[place_of(*e)]++] = entry_of(i, (uint32_t)*e);
    }
}

// Sorts the groups that are ever nonzero by the number of their entries, at most BLOCK.
static void sort_visits(const uint32_t *begins, const uint8_t *ever, int64_t n_groups, uint16_t *visits) {
    uint32_t place[BLOCK + 2] = {0};
    for (int64_t q = 0; q < n_groups; q++)
        if (ever[q]) place[begins[q + 1] - begins[q] + 1]++;
    for (int n = 0; n <= BLOCK; n++) place[n + 1] += place[n];
    for (int64_t q = 0; q < n_groups; q++)
        if (ever[q]) visits[place[begins[q + 1] - begins[q]]++] = (uint16_t)q;
}

// Plans the n images in ``order``; a block ends with its batch at the latest. places (n_groups) is scratch.
void kernel_plan(const int64_t *starts, const uint64_t *entries, const int32_t *order, int64_t n, int64_t batch,
                 int64_t n_groups, const uint8_t *ever, int64_t n_visits, Plan plan, uint32_t *places) {
    for (int64_t first = 0, last; first < n; first = last) {
        last = first + batch < n ? first + batch : n;
        for (int64_t begin = first; begin < last; begin += BLOCK) {
            int64_t some = begin + BLOCK < last ? BLOCK : last - begin;
            sort_entries(starts, entries, order + begin, some, n_groups, plan, places);
            sort_visits(plan.starts, ever, n_groups, plan.visits);
            plan.entries += plan.starts[n_groups];
            plan.starts += n_groups + 1;
            plan.visits += n_visits;
        }
    }
}

int64_t kernel_group(void) { return GROUP; }

#endif
