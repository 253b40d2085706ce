// Adam (Kingma & Ba 2015, algorithm 1), applied where a gradient is still in the registers. Its constants are those of
// study/spec/constants.py, as build.py defines them.
#ifndef ADAM_H
#define ADAM_H

#include "vector.h"

typedef struct {
    float *w, *m, *v;  // a run's parameters and the moments of their gradients, (n_parameters) each
    float size;        // lr / (1 - beta1^t)
    float inverse_root;  // 1 / sqrt(1 - beta2^t)
} Adam;

// Moves the LANES parameters that begin at ``at`` by their gradient g.
INLINE void move(Adam adam, int64_t at, vec g) {
    vec m = load(adam.m + at), v = load(adam.v + at);
    m = m + (g - m) * splat((float)(1 - BETA1));
    v = v * splat((float)BETA2) + g * g * splat((float)(1 - BETA2));
    store(adam.m + at, m);
    store(adam.v + at, v);
    vec root = square_root(v) * splat(adam.inverse_root) + splat((float)ADAM_EPS);
    store(adam.w + at, load(adam.w + at) - splat(adam.size) * m / root);
}

#endif
