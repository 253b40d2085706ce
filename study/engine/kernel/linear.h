// A dense linear layer, z = h W + b, and its gradients. Features (images, width), weights (in, out).
#ifndef LINEAR_H
#define LINEAR_H

#include "adam.h"

// Rows whose sums are in the registers at once: 16 vectors of them with AVX-512, 8 elsewhere.
enum { ROWS = LANES == 16 ? 8 : LANES == 8 ? 2 : 1 };

// z[r] = b + h[r] W for ``rows`` images and ``wide`` vectors of units; b NULL is none.
INLINE void forward_tile(const float *h, int64_t n_in, const float *W, int64_t n_out, const float *b, float *z,
                         const int rows, const int wide) {
    vec sum[ROWS][WIDE];
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < wide; j++) sum[r][j] = b ? load(b + j * LANES) : splat(0);
    for (int64_t k = 0; k < n_in; k++)
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < wide; j++) sum[r][j] += splat(h[r * n_in + k]) * load(W + k * n_out + j * LANES);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < wide; j++) store(z + r * n_out + j * LANES, sum[r][j]);
}

INLINE void forward_column(const float *h, int64_t n, int64_t n_in, const float *W, int64_t n_out, const float *b,
                           float *z, const int wide) {
    int64_t i = 0;
    for (; i + ROWS <= n; i += ROWS) forward_tile(h + i * n_in, n_in, W, n_out, b, z + i * n_out, ROWS, wide);
    for (; i < n; i++) forward_tile(h + i * n_in, n_in, W, n_out, b, z + i * n_out, 1, wide);
}

// z (n, n_out) = b + h (n, n_in) W. Each sum runs over the features in their order.
static void linear_forward(const float *h, int64_t n, int64_t n_in, const float *W, int64_t n_out, const float *b,
                           float *z) {
    int64_t u = 0;
    for (; u + TILE <= n_out; u += TILE) forward_column(h, n, n_in, W + u, n_out, b ? b + u : NULL, z + u, WIDE);
    if (u < n_out) forward_column(h, n, n_in, W + u, n_out, b ? b + u : NULL, z + u, WIDE / 2);
}

// Moves ROWS rows of W, which begin at ``at``, by their gradient h^T d, summed over blocks of images.
INLINE void backward_tile(const float *h, const float *d, int64_t n, int64_t n_in, int64_t n_out, Adam adam,
                          int64_t at, const int wide) {
    vec sum[ROWS][WIDE];
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < wide; j++) sum[r][j] = splat(0);
    for (int64_t begin = 0; begin < n; begin += BLOCK) {
        int64_t end = begin + BLOCK < n ? begin + BLOCK : n;
        vec part[ROWS][WIDE];
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < wide; j++) part[r][j] = splat(0);
        for (int64_t i = begin; i < end; i++)
            for (int r = 0; r < ROWS; r++)
                for (int j = 0; j < wide; j++) part[r][j] += splat(h[i * n_in + r]) * load(d + i * n_out + j * LANES);
        for (int r = 0; r < ROWS; r++)
            for (int j = 0; j < wide; j++) sum[r][j] += part[r][j];
    }
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < wide; j++) move(adam, at + r * n_out + j * LANES, sum[r][j]);
}

// Moves the weight at ``at`` by dL/dW = h^T d, with h (n, n_in) and d = dL/dz (n, n_out).
static void weight_step(const float *h, const float *d, int64_t n, int64_t n_in, int64_t n_out, Adam adam,
                        int64_t at) {
    for (int64_t k = 0; k < n_in; k += ROWS) {
        int64_t u = 0, row = at + k * n_out;
        for (; u + TILE <= n_out; u += TILE) backward_tile(h + k, d + u, n, n_in, n_out, adam, row + u, WIDE);
        if (u < n_out) backward_tile(h + k, d + u, n, n_in, n_out, adam, row + u, WIDE / 2);
    }
}

// Moves the bias at ``at`` by dL/db, the sum of d (n, width) over blocks of images.
static void bias_step(const float *d, int64_t n, int64_t width, Adam adam, int64_t at) {
    for (int64_t u = 0; u < width; u += LANES) {
        vec sum = splat(0);
        for (int64_t begin = 0; begin < n; begin += BLOCK) {
            int64_t end = begin + BLOCK < n ? begin + BLOCK : n;
            vec part = splat(0);
            for (int64_t i = begin; i < end; i++) part += load(d + i * width + u);
            sum += part;
        }
        move(adam, at + u, sum);
    }
}

// W (rows, columns) -> (columns, rows), both whole lines: four by four, for which compilers have instructions.
static void transpose(const float *restrict W, int64_t rows, int64_t columns, float *restrict out) {
    for (int64_t r = 0; r < rows; r += 4)
        for (int64_t c = 0; c < columns; c += 4) {
            float some[4][4];
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) some[j][i] = W[(r + i) * columns + c + j];
            for (int j = 0; j < 4; j++) memcpy(out + (c + j) * rows + r, some[j], sizeof some[j]);
        }
}

static void relu(float *z, int64_t n_numbers) {
    for (int64_t i = 0; i < n_numbers; i += LANES) store(z + i, where_positive(load(z + i), load(z + i)));
}

// dL/dh -> dL/dz in place, given h.
static void relu_backward(const float *h, float *d, int64_t n_numbers) {
    for (int64_t i = 0; i < n_numbers; i += LANES) store(d + i, where_positive(load(h + i), load(d + i)));
}

#endif
