// Batch normalisation and the ReLU after it (Ioffe & Szegedy 2015, algorithm 1); statistics as torch.nn.BatchNorm1d.
#ifndef NORM_H
#define NORM_H

#include "adam.h"

typedef struct {
    float *inverse_sd;      // (width) of the batch, for the backward pass
    float *mean, *var;      // (width) running averages; var unbiased
    double *means, *vars;   // (width) sums over the batches of this epoch; var biased
} Norm;

// A mean, and what rounding left of it: a unit that hardly varies is divided by next to nothing, and so is the error.
typedef struct {
    vec mean, rest;
} Centre;

INLINE vec centred(const float *z, Centre centre) { return (load(z) - centre.mean) - centre.rest; }

// The mean over n images of z about the centre (power 1), or of its square (2); summed in blocks.
INLINE vec moment(const float *z, int64_t n, int64_t width, Centre centre, const int power) {
    vec sum = splat(0);
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t end = begin + BLOCK < n ? begin + BLOCK : n;
        vec part = splat(0);
        for (int64_t i = begin; i < end; i++) {
            vec x = centred(z + i * width, centre);
            if (power == 2) x = x * x;
            part += x;
        }
        sum += part;
    }
    return sum / splat((float)n);
}

INLINE void keep_statistics(const Norm *norm, int64_t u, vec mean, vec var, int64_t n) {
    float unbiased = (float)n / (float)(n - 1);
    vec newest = splat((float)MOMENTUM), old = splat((float)(1 - MOMENTUM));
    store(norm->mean + u, load(norm->mean + u) * old + mean * newest);
    store(norm->var + u, load(norm->var + u) * old + var * splat(unbiased) * newest);
    for (int i = 0; i < LANES; i++) {
        norm->means[u + i] += (double)mean[i];
        norm->vars[u + i] += (double)var[i];
    }
}

// z (n, width) -> x_hat in place, h = ReLU(gamma x_hat + beta)
static void norm_forward(float *z, int64_t n, int64_t width, const float *gamma, const float *beta, const Norm *norm,
                         float *h) {
    for (int64_t u = 0; u < width; u += LANES) {
        Centre centre = {splat(0), splat(0)};
        centre.mean = moment(z + u, n, width, centre, 1);
        centre.rest = moment(z + u, n, width, centre, 1);
        vec var = moment(z + u, n, width, centre, 2);
        vec inverse_sd = splat(1) / square_root(var + splat((float)NORM_EPS));
        keep_statistics(norm, u, centre.mean + centre.rest, var, n);
        store(norm->inverse_sd + u, inverse_sd);
        vec g = load(gamma + u), b = load(beta + u);
        for (int64_t i = 0; i < n; i++) {
            vec x_hat = centred(z + i * width + u, centre) * inverse_sd, y = x_hat * g + b;
            store(z + i * width + u, x_hat);
            store(h + i * width + u, where_positive(y, y));
        }
    }
}

// dL/dh -> dL/dz in place (section 3 of the paper); gamma and beta, which begin at these places, move.
static void norm_backward(const float *x_hat, const float *h, float *d, int64_t n, int64_t width, const Norm *norm,
                          Adam adam, int64_t gamma, int64_t beta) {
    for (int64_t u = 0; u < width; u += LANES) {
        vec d_gamma = splat(0), d_beta = splat(0);
        for (int64_t begin = 0; begin < n; begin += BLOCK) {
            int64_t end = begin + BLOCK < n ? begin + BLOCK : n;
            vec of_gamma = splat(0), of_beta = splat(0);
            for (int64_t i = begin * width + u; i < end * width; i += width) {
                vec d_y = where_positive(load(h + i), load(d + i));
                store(d + i, d_y);
                of_beta += d_y;
                of_gamma += d_y * load(x_hat + i);
            }
            d_beta += of_beta;
            d_gamma += of_gamma;
        }
        vec gain = load(adam.w + gamma + u) * load(norm->inverse_sd + u);
        vec mean_of_d = d_beta / splat((float)n), mean_of_dx = d_gamma / splat((float)n);
        for (int64_t i = u; i < n * width; i += width)
            store(d + i, gain * (load(d + i) - mean_of_d - load(x_hat + i) * mean_of_dx));
        move(adam, gamma + u, d_gamma);
        move(adam, beta + u, d_beta);
    }
}

#endif
