// Cross-entropy of logits (n, n_classes, padded to ``width``), in nats an image.
#ifndef SOFTMAX_H
#define SOFTMAX_H

#include "vector.h"

// The logits of one image -> e^(logit - largest) in place, padding 0; returns the loss of its label.
INLINE double exponentials(float *z, int64_t width, int64_t n_classes, int32_t label, float *sum) {
    float largest = z[0], own = z[label], total = 0;
    for (int64_t c = 1; c < n_classes; c++) largest = z[c] > largest ? z[c] : largest;
    for (int64_t c = 0; c < width; c += LANES) store(z + c, exponential(load(z + c) - splat(largest)));
    for (int64_t c = n_classes; c < width; c++) z[c] = 0;
    for (int64_t c = 0; c < n_classes; c++) total += z[c];
    *sum = total;
    return (double)(largest - own) + logarithm(total);
}

// Mean loss of a batch; the logits become its gradient, (softmax - one-hot) / n.
static double cross_entropy(float *logits, int64_t n, int64_t width, int64_t n_classes, const int32_t *labels) {
    float share = 1 / (float)n;
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        float *z = logits + i * width, sum;
        loss += exponentials(z, width, n_classes, labels[i], &sum);
        for (int64_t c = 0; c < width; c += LANES) store(z + c, load(z + c) * splat(share / sum));
        z[labels[i]] -= share;
    }
    return loss / (double)n;
}

// Sum of the losses; whether the first largest logit is the label's goes to ``correct``, no where one is NaN.
static double answers(float *logits, int64_t n, int64_t width, int64_t n_classes, const int32_t *labels,
                      uint8_t *correct) {
    double losses = 0;
    for (int64_t i = 0; i < n; i++) {
        float *z = logits + i * width, sum;
        int64_t best = 0;
        for (int64_t c = 1; c < n_classes; c++) best = z[c] > z[best] ? c : best;
        double loss = exponentials(z, width, n_classes, labels[i], &sum);
        correct[i] = best == labels[i] && loss == loss;
        losses += loss;
    }
    return losses;
}

#endif
