// Cross-entropy of logits (n, n_classes, padded to ``width``), in nats an image.
#ifndef SOFTMAX_H
#define SOFTMAX_H

#include "vector.h"

// The largest and the sum of a line's numbers, halved and halved again.
typedef float quarter __attribute__((vector_size(16), may_alias));
typedef int32_t ivec4 __attribute__((vector_size(16), may_alias));

INLINE float line_largest(const float *line) {
    quarter four[2], most;
    for (int i = 0; i < 2; i++) {
        quarter a = *(const quarter *)(line + 4 * i), b = *(const quarter *)(line + 8 + 4 * i);
        ivec4 above = a > b;
        four[i] = (quarter)((above & (ivec4)a) | (~above & (ivec4)b));
    }
    ivec4 above = four[0] > four[1];
    most = (quarter)((above & (ivec4)four[0]) | (~above & (ivec4)four[1]));
    float even = most[0] > most[2] ? most[0] : most[2], odd = most[1] > most[3] ? most[1] : most[3];
    return even > odd ? even : odd;
}

INLINE float line_sum(const float *line) {
    const quarter *of = (const quarter *)line;
    quarter four = (of[0] + of[2]) + (of[1] + of[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

typedef struct {
    float line[LINE] __attribute__((aligned(64)));
} Line;

// What is added to the last line of logits: minus infinity to padding, nothing to a class.
static Line no_class(int64_t width, int64_t n_classes) {
    Line outside;
    for (int i = 0; i < LINE; i++) outside.line[i] = width - LINE + i < n_classes ? 0 : -__builtin_inff();
    return outside;
}

INLINE float largest_logit(float *z, int64_t width, const Line *outside) {
    Line largest;
    for (int j = 0; j < LINE; j += LANES) {
        float *last = z + width - LINE + j;
        vec most = load(last) + load(outside->line + j);
        store(last, most);
        for (int64_t c = j; c < width - LINE; c += LINE) most = pick(load(z + c) > most, load(z + c), most);
        store(largest.line + j, most);
    }
    return line_largest(largest.line);
}

// The logits of one image -> e^(logit - largest) in place, padding 0; returns their sum.
INLINE float exponentials(float *z, int64_t width, float largest) {
    Line sum;
    for (int j = 0; j < LINE; j += LANES) {
        vec total = splat(0);
        for (int64_t c = j; c < width; c += LINE) {
            vec e = exponential(load(z + c) - splat(largest));
            store(z + c, e);
            total += e;
        }
        store(sum.line + j, total);
    }
    return line_sum(sum.line);
}

// ``total`` and n losses more, of images by their sums of exponentials and how far the label's logit lies below the
// largest. Apart from these, since compilers take logarithms in vectors.
static double add_losses(double total, const float *sums, const float *below, int64_t n) {
    double losses[LINE];
    for (int64_t i = 0; i < LINE; i++) losses[i] = (double)below[i] + logarithm(sums[i]);
    for (int64_t i = 0; i < n; i++) total += losses[i];
    return total;
}

// Mean loss of a batch; the logits become its gradient, (softmax - one-hot) / n.
static double cross_entropy(float *logits, int64_t n, int64_t width, int64_t n_classes, const int32_t *labels) {
    const Line outside = no_class(width, n_classes);
    float share = 1 / (float)n, sums[LINE] = {0}, below[LINE] = {0};
    double loss = 0;
    for (int64_t begin = 0; begin < n; begin += LINE) {
        int64_t some = begin + LINE < n ? LINE : n - begin;
        for (int64_t i = 0; i < some; i++) {
            float *z = logits + (begin + i) * width, own = z[labels[begin + i]];
            float largest = largest_logit(z, width, &outside);
            sums[i] = exponentials(z, width, largest);
            below[i] = largest - own;
            for (int64_t c = 0; c < width; c += LANES) store(z + c, load(z + c) * splat(share / sums[i]));
            z[labels[begin + i]] -= share;
        }
        loss = add_losses(loss, sums, below, some);
    }
    return loss / (double)n;
}

// Sum of the losses; whether the first largest logit is the label's goes to ``correct``, no where one is NaN.
static double answers(float *logits, int64_t n, int64_t width, int64_t n_classes, const int32_t *labels,
                      uint8_t *correct) {
    const Line outside = no_class(width, n_classes);
    float sums[LINE] = {0}, below[LINE] = {0};
    double losses = 0;
    for (int64_t begin = 0; begin < n; begin += LINE) {
        int64_t some = begin + LINE < n ? LINE : n - begin;
        for (int64_t i = 0; i < some; i++) {
            int32_t label = labels[begin + i], earlier = 0;
            float *z = logits + (begin + i) * width, own = z[label];
            float largest = largest_logit(z, width, &outside);
            for (int32_t c = 0; c < n_classes; c++) earlier += (z[c] == largest) & (c < label);
            sums[i] = exponentials(z, width, largest);
            below[i] = largest - own;
            correct[begin + i] = own == largest && !earlier && sums[i] == sums[i];
        }
        losses = add_losses(losses, sums, below, some);
    }
    return losses;
}

#endif
